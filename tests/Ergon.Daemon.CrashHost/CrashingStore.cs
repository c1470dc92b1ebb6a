using Ergon.Storage;

namespace Ergon.Daemon.CrashHost;

/// <summary>Kills this process at one of the changes that are stored: just before it is stored, or just after it and before anyone is told.</summary>
internal sealed class CrashingStore(IExecutionStore inner, int crashAt, bool stored) : IExecutionStore
{
    private int _changes;

    /// <summary>How many changes there have been.</summary>
    public int Changes => _changes;

    public bool KeepsEvents => inner.KeepsEvents;

    public ValueTask<long> GetLastSequenceAsync(string executorId, CancellationToken cancellationToken) => inner.GetLastSequenceAsync(executorId, cancellationToken);

    public ValueTask<StoredExecutions> LoadAsync(string executorId, CancellationToken cancellationToken) => inner.LoadAsync(executorId, cancellationToken);

    public async ValueTask AppendAsync(string executorId, ExecutionChange change)
    {
        var crash = Interlocked.Increment(ref _changes) == crashAt;
        if (crash && !stored) await CrashAsync();
        await inner.AppendAsync(executorId, change);
        if (crash) await CrashAsync();
    }

    public ValueTask<ExecutionResult> LoadResultAsync(string executorId, ExecutionId executionId, CancellationToken cancellationToken) =>
        inner.LoadResultAsync(executorId, executionId, cancellationToken);

    public ValueTask<IReadOnlyList<ExecutionEvent>> ReadEventsAsync(string executorId, long after, CancellationToken cancellationToken) =>
        inner.ReadEventsAsync(executorId, after, cancellationToken);

    // SIGKILL: nothing of this process runs any more.
    private static async Task CrashAsync()
    {
        System.Diagnostics.Process.GetCurrentProcess().Kill();
        await Task.Delay(Timeout.InfiniteTimeSpan);
    }
}
