namespace Ergon.Daemon.Executors;

/// <summary>
/// Gives memory back to the machine after many executions: a collector that has nothing to do any more would keep what it once needed, on a
/// node whose memory is the jobs'.
/// </summary>
internal sealed class IdleMemory : IDisposable
{
    // Fewer leave little behind.
    private const int Many = 200;
    private static readonly TimeSpan Quiet = TimeSpan.FromSeconds(5);

    private readonly ITimer _timer;
    private int _ended;

    public IdleMemory(TimeProvider time) => _timer = time.CreateTimer(static state => ((IdleMemory)state!).Release(), this, Timeout.InfiniteTimeSpan, Timeout.InfiniteTimeSpan);

    /// <summary>How often memory was given back.</summary>
    public int Releases { get; private set; }

    /// <summary>Takes the end of an execution into account.</summary>
    public void After(Task end) => _ = end.ContinueWith(
        static (_, state) => ((IdleMemory)state!).CountOne(), this, CancellationToken.None, TaskContinuationOptions.ExecuteSynchronously, TaskScheduler.Default);

    public void Dispose() => _timer.Dispose();

    private void CountOne()
    {
        if (Interlocked.Increment(ref _ended) >= Many) _timer.Change(Quiet, Timeout.InfiniteTimeSpan);
    }

    private void Release()
    {
        Interlocked.Exchange(ref _ended, 0);
        GC.Collect(GC.MaxGeneration, GCCollectionMode.Aggressive, blocking: true, compacting: true);
        Releases++;
    }
}
