using System.Collections.Concurrent;
using System.Runtime.CompilerServices;
using Ergon.Drivers;

namespace Ergon.Tests.Faults;

/// <summary>The calls of a driver, at each of which something can go wrong.</summary>
public enum DriverCall
{
    Fingerprint,
    Validate,
    Prepare,
    Attach,
    Cleanup,
    DisposeDriver,
    Start,
    Pump,
    Wait,
    Signal,
    Stop,
    Kill,
    Pause,
    Resume,
    Exec,
    Stats,
    Collect,
    Destroy,
    Dispose,
}

/// <summary>What goes wrong at a call.</summary>
public enum Fault
{
    /// <summary>It throws something that the contract does not know.</summary>
    Throws,

    /// <summary>It does not end before it is cancelled.</summary>
    Hangs,

    /// <summary>It does not end and does not care about cancellation.</summary>
    HangsForGood,
}

/// <summary>
/// A driver that behaves like another one, except at the calls for which a fault is set, and that remembers the calls.
/// <see cref="Release"/> lets the calls that hang for good go on, late, as they would.
/// </summary>
internal sealed class FaultyDriver(IExecutionDriver inner) : IExecutionDriver
{
    private readonly TaskCompletionSource _released = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly ConcurrentDictionary<DriverCall, Func<CancellationToken, Task>> _before = new();

    public string Name => inner.Name;

    /// <summary>Every call, in order.</summary>
    public ConcurrentQueue<DriverCall> Calls { get; } = new();

    /// <summary>Calls that have begun and not ended.</summary>
    public ConcurrentDictionary<Guid, DriverCall> Open { get; } = new();

    /// <summary>Changes the evidence of the end, or lets it never come.</summary>
    public Func<Task<DriverExit>, CancellationToken, Task<DriverExit>> Exit { get; set; } = static (exit, _) => exit;

    /// <summary>Changes what is pumped.</summary>
    public Func<Task, IOutputSink, CancellationToken, Task> Output { get; set; } = static (output, _, _) => output;

    /// <summary>Completes with <see cref="Release"/>.</summary>
    public Task Released => _released.Task;

    public Action<PrepareProgress>? Progress { get; private set; }

    public FaultyDriver With(DriverCall call, Fault fault) => With(call, fault switch
    {
        Fault.Throws => static _ => throw new InvalidOperationException("The driver broke."),
        Fault.Hangs => static token => Task.Delay(Timeout.InfiniteTimeSpan, TimeProvider.System, token),
        _ => _ => _released.Task,
    });

    public FaultyDriver With(DriverCall call, Func<CancellationToken, Task> before)
    {
        _before[call] = before;
        return this;
    }

    public void Heal() => _before.Clear();

    public void Release() => _released.TrySetResult();

    public ValueTask<ExecutorFingerprint> FingerprintAsync(CancellationToken cancellationToken) =>
        CallAsync(DriverCall.Fingerprint, () => inner.FingerprintAsync(cancellationToken), cancellationToken);

    public void Validate(ExecutionRequest request, RequestProblems problems)
    {
        Calls.Enqueue(DriverCall.Validate);
        if (_before.TryGetValue(DriverCall.Validate, out var fault)) _ = fault(CancellationToken.None);
        inner.Validate(request, problems);
    }

    public ValueTask<IDriverExecution> PrepareAsync(DriverContext context, CancellationToken cancellationToken)
    {
        Progress = context.ReportProgress;
        return CallAsync<IDriverExecution>(
            DriverCall.Prepare,
            async () => new Execution(this, await inner.PrepareAsync(context, _before.ContainsKey(DriverCall.Prepare) ? default : cancellationToken)),
            cancellationToken);
    }

    public ValueTask<IDriverExecution?> AttachAsync(DriverContext context, CancellationToken cancellationToken) => CallAsync<IDriverExecution?>(
        DriverCall.Attach,
        async () => await inner.AttachAsync(context, cancellationToken) is { } found ? new Execution(this, found) : null,
        cancellationToken);

    public ValueTask CleanupAsync(string executorId, IReadOnlySet<ExecutionId> keep, CancellationToken cancellationToken) =>
        CallAsync(DriverCall.Cleanup, () => inner.CleanupAsync(executorId, keep, cancellationToken), cancellationToken);

    public ValueTask DisposeAsync() => CallAsync(DriverCall.DisposeDriver, inner.DisposeAsync, CancellationToken.None);

    private async ValueTask<T> CallAsync<T>(DriverCall call, Func<ValueTask<T>> real, CancellationToken cancellationToken)
    {
        Calls.Enqueue(call);
        var open = Guid.NewGuid();
        Open[open] = call;
        try
        {
            if (_before.TryGetValue(call, out var fault)) await fault(cancellationToken);
            return await real();
        }
        finally
        {
            Open.TryRemove(open, out _);
        }
    }

    private async ValueTask CallAsync(DriverCall call, Func<ValueTask> real, CancellationToken cancellationToken) =>
        await CallAsync<object?>(call, async () => { await real(); return null; }, cancellationToken);

    private sealed class Execution(FaultyDriver driver, IDriverExecution inner) : IDriverExecution
    {
        public bool Started => inner.Started;

        public IReadOnlyList<PortMapping> Ports => inner.Ports;

        public ValueTask StartAsync(CancellationToken cancellationToken) =>
            driver.CallAsync(DriverCall.Start, () => inner.StartAsync(default), cancellationToken);

        public Task PumpOutputAsync(IOutputSink output, CancellationToken cancellationToken) => driver.CallAsync(
            DriverCall.Pump,
            () => new ValueTask(driver.Output(inner.PumpOutputAsync(output, cancellationToken), output, cancellationToken)),
            cancellationToken).AsTask();

        public Task<DriverExit> WaitAsync(CancellationToken cancellationToken) => driver.CallAsync(
            DriverCall.Wait, () => new ValueTask<DriverExit>(driver.Exit(inner.WaitAsync(cancellationToken), cancellationToken)), cancellationToken).AsTask();

        public ValueTask SignalAsync(Signal signal, CancellationToken cancellationToken) =>
            driver.CallAsync(DriverCall.Signal, () => inner.SignalAsync(signal, cancellationToken), cancellationToken);

        public ValueTask StopAsync(CancellationToken cancellationToken) =>
            driver.CallAsync(DriverCall.Stop, () => inner.StopAsync(cancellationToken), cancellationToken);

        public ValueTask KillAsync(CancellationToken cancellationToken) =>
            driver.CallAsync(DriverCall.Kill, () => inner.KillAsync(cancellationToken), cancellationToken);

        public ValueTask PauseAsync(CancellationToken cancellationToken) =>
            driver.CallAsync(DriverCall.Pause, () => inner.PauseAsync(cancellationToken), cancellationToken);

        public ValueTask ResumeAsync(CancellationToken cancellationToken) =>
            driver.CallAsync(DriverCall.Resume, () => inner.ResumeAsync(cancellationToken), cancellationToken);

        public ValueTask<IExecSession> ExecAsync(ExecRequest request, CancellationToken cancellationToken) =>
            driver.CallAsync(DriverCall.Exec, () => inner.ExecAsync(request, cancellationToken), cancellationToken);

        public async IAsyncEnumerable<ExecutionStats> GetStatsAsync([EnumeratorCancellation] CancellationToken cancellationToken)
        {
            await driver.CallAsync(DriverCall.Stats, () => ValueTask.CompletedTask, cancellationToken);
            await foreach (var sample in inner.GetStatsAsync(cancellationToken)) yield return sample;
        }

        public ValueTask CollectOutputsAsync(CancellationToken cancellationToken) =>
            driver.CallAsync(DriverCall.Collect, () => inner.CollectOutputsAsync(cancellationToken), cancellationToken);

        public ValueTask DestroyAsync(CancellationToken cancellationToken) =>
            driver.CallAsync(DriverCall.Destroy, () => inner.DestroyAsync(cancellationToken), cancellationToken);

        public ValueTask DisposeAsync() => driver.CallAsync(DriverCall.Dispose, inner.DisposeAsync, CancellationToken.None);
    }
}
