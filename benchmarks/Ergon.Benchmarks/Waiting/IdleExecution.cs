using Ergon.Drivers;

namespace Ergon.Benchmarks.Waiting;

/// <summary>A job that does nothing until it is killed.</summary>
internal sealed class IdleExecution : IDriverExecution
{
    private readonly TaskCompletionSource<DriverExit> _exit = new(TaskCreationOptions.RunContinuationsAsynchronously);

    public bool Started { get; private set; }

    public IReadOnlyList<PortMapping> Ports => [];

    public ValueTask StartAsync(CancellationToken cancellationToken)
    {
        Started = true;
        return ValueTask.CompletedTask;
    }

    public Task PumpOutputAsync(IOutputSink output, CancellationToken cancellationToken) => _exit.Task.WaitAsync(cancellationToken);

    public Task<DriverExit> WaitAsync(CancellationToken cancellationToken) => _exit.Task.WaitAsync(cancellationToken);

    public ValueTask SignalAsync(Signal signal, CancellationToken cancellationToken) => End();

    public ValueTask StopAsync(CancellationToken cancellationToken) => End();

    public ValueTask KillAsync(CancellationToken cancellationToken) => End();

    public ValueTask PauseAsync(CancellationToken cancellationToken) => throw new NotSupportedException();

    public ValueTask ResumeAsync(CancellationToken cancellationToken) => throw new NotSupportedException();

    public ValueTask<IExecSession> ExecAsync(ExecRequest request, CancellationToken cancellationToken) => throw new NotSupportedException();

    public IAsyncEnumerable<ExecutionStats> GetStatsAsync(CancellationToken cancellationToken) => throw new NotSupportedException();

    public ValueTask CollectOutputsAsync(CancellationToken cancellationToken) => ValueTask.CompletedTask;

    public ValueTask DestroyAsync(CancellationToken cancellationToken) => End();

    public ValueTask DisposeAsync() => ValueTask.CompletedTask;

    private ValueTask End()
    {
        _exit.TrySetResult(new DriverExit { Signal = Signal.Kill });
        return ValueTask.CompletedTask;
    }
}
