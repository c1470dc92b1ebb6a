using System.Runtime.CompilerServices;
using Ergon.Drivers;

namespace Ergon.Tests.InMemory;

/// <summary>What the engine holds of a container in memory.</summary>
internal sealed class InMemoryExecution(InMemoryBackend backend, InMemoryContainer container) : IDriverExecution
{
    public bool Started => container.Started;

    public IReadOnlyList<PortMapping> Ports => container.Ports;

    public ValueTask StartAsync(CancellationToken cancellationToken)
    {
        cancellationToken.ThrowIfCancellationRequested();
        if (InMemoryDriver.ParameterOf(container.Request, "start") == "fail")
            throw new ExecutorException(ErrorCode.BackendFailed, "The spec asks for a start that fails.");
        container.Start();
        return ValueTask.CompletedTask;
    }

    public async Task PumpOutputAsync(IOutputSink output, CancellationToken cancellationToken)
    {
        while (await container.Output.WaitAsync(cancellationToken) is { } chunk)
        {
            // A former pump may have been cut off after its sink took a part of the chunk.
            var taken = (int)Math.Clamp(output.GetPosition(chunk.Stream) - chunk.Position, 0, chunk.Data.Length);
            await output.WriteAsync(chunk.Stream, chunk.Data[taken..], cancellationToken);
            container.Output.Advance();
        }
    }

    public Task<DriverExit> WaitAsync(CancellationToken cancellationToken) => container.Exit.WaitAsync(cancellationToken);

    public ValueTask SignalAsync(Signal signal, CancellationToken cancellationToken)
    {
        container.Signal(signal);
        return ValueTask.CompletedTask;
    }

    public ValueTask StopAsync(CancellationToken cancellationToken) => SignalAsync(Signal.Terminate, cancellationToken);

    public ValueTask KillAsync(CancellationToken cancellationToken) => SignalAsync(Signal.Kill, cancellationToken);

    public ValueTask PauseAsync(CancellationToken cancellationToken)
    {
        container.Freezer.Freeze();
        return ValueTask.CompletedTask;
    }

    public ValueTask ResumeAsync(CancellationToken cancellationToken)
    {
        container.Freezer.Thaw();
        return ValueTask.CompletedTask;
    }

    public ValueTask<IExecSession> ExecAsync(ExecRequest request, CancellationToken cancellationToken) =>
        ValueTask.FromResult<IExecSession>(new InMemoryExecSession(container, request));

    public async IAsyncEnumerable<ExecutionStats> GetStatsAsync([EnumeratorCancellation] CancellationToken cancellationToken)
    {
        do
        {
            yield return container.Measure();
            await Task.WhenAny(container.Exit, Task.Delay(TimeSpan.FromMilliseconds(50), TimeProvider.System, cancellationToken));
        }
        while (!container.Exit.IsCompleted);
    }

    public ValueTask CollectOutputsAsync(CancellationToken cancellationToken) => ValueTask.CompletedTask;

    public ValueTask DestroyAsync(CancellationToken cancellationToken) => backend.DestroyAsync(container);

    public ValueTask DisposeAsync() => ValueTask.CompletedTask;
}
