namespace Ergon.Engine;

/// <summary>
/// Decides which results are released and which executions are forgotten: when their time is over, with one timer for all of them, and
/// the oldest ones when there are too many.
/// </summary>
internal sealed class RetentionQueue : IDisposable
{
    // A timer takes at most 49 days; what is due later is looked at again then.
    private static readonly TimeSpan LongestWait = TimeSpan.FromDays(30);

    private readonly Lock _lock = new();
    private readonly PriorityQueue<ExecutionId, DateTimeOffset> _due = new();
    private readonly Dictionary<ExecutionId, Concluded> _concluded = [];
    private readonly SortedSet<Concluded> _retained = new(Concluded.Oldest);
    private readonly SortedSet<Concluded> _known = new(Concluded.Oldest);
    private readonly ExecutorOptions _options;
    private readonly TimeProvider _time;
    private readonly Func<ExecutionId, Task> _release;
    private readonly Func<ExecutionId, Task> _forget;
    private readonly ITimer _timer;
    private long _bytes;

    public RetentionQueue(ExecutorOptions options, TimeProvider time, Func<ExecutionId, Task> release, Func<ExecutionId, Task> forget)
    {
        (_options, _time, _release, _forget) = (options, time, release, forget);
        _timer = time.CreateTimer(static state => ((RetentionQueue)state!).ReleaseDue(), this, Timeout.InfiniteTimeSpan, Timeout.InfiniteTimeSpan);
    }

    /// <summary>Takes an execution that has ended.</summary>
    /// <param name="id">The execution.</param>
    /// <param name="finished">When it ended.</param>
    /// <param name="retention">How long its result is wanted; <see langword="null"/> when that has been released already.</param>
    /// <param name="bytes">What its log and its result take.</param>
    public void Add(ExecutionId id, DateTimeOffset finished, TimeSpan? retention, long bytes)
    {
        List<ExecutionId> released = [];
        List<ExecutionId> forgotten = [];
        lock (_lock)
        {
            var concluded = new Concluded(id, finished, bytes);
            _concluded[id] = concluded;
            _known.Add(concluded);
            if (retention is { } time) Retain(concluded, time);
            while (_retained.Min is { } oldest && IsTooMuch())
            {
                Drop(oldest);
                released.Add(oldest.Id);
            }

            while (_known.Count > _options.MaxConcludedExecutions)
            {
                forgotten.Add(_known.Min!.Id);
                Remove(_known.Min!);
            }

            Schedule();
        }

        foreach (var one in released) _ = _release(one);
        foreach (var one in forgotten) _ = _forget(one);
    }

    /// <summary>Takes an execution out that is forgotten.</summary>
    public void Remove(ExecutionId id)
    {
        lock (_lock)
            if (_concluded.TryGetValue(id, out var concluded)) Remove(concluded);
    }

    public void Dispose() => _timer.Dispose();

    private bool IsTooMuch() => _retained.Count > _options.MaxRetainedResults || _bytes > _options.MaxRetainedBytes;

    private void Retain(Concluded concluded, TimeSpan retention)
    {
        _retained.Add(concluded);
        _bytes += concluded.Bytes;
        if (retention < DateTimeOffset.MaxValue - concluded.Finished) _due.Enqueue(concluded.Id, concluded.Finished + retention);
    }

    private void Drop(Concluded concluded)
    {
        if (_retained.Remove(concluded)) _bytes -= concluded.Bytes;
    }

    private void Remove(Concluded concluded)
    {
        Drop(concluded);
        _known.Remove(concluded);
        _concluded.Remove(concluded.Id);
    }

    private void ReleaseDue()
    {
        var released = new List<ExecutionId>();
        lock (_lock)
        {
            var now = _time.GetUtcNow();
            while (_due.TryPeek(out var id, out var due) && due <= now)
            {
                _due.Dequeue();
                // Released earlier, because there were too many, or forgotten; or another execution of the id, whose own time comes.
                if (!_concluded.TryGetValue(id, out var concluded) || !_retained.Contains(concluded) || concluded.Finished > due) continue;
                Drop(concluded);
                released.Add(id);
            }

            Schedule();
        }

        foreach (var id in released) _ = _release(id);
    }

    private void Schedule()
    {
        if (!_due.TryPeek(out _, out var due)) return;
        var wait = due - _time.GetUtcNow();
        wait = wait < TimeSpan.Zero ? TimeSpan.Zero : wait > LongestWait ? LongestWait : wait;
        _timer.Change(wait, Timeout.InfiniteTimeSpan);
    }

    private sealed record Concluded(ExecutionId Id, DateTimeOffset Finished, long Bytes)
    {
        public static IComparer<Concluded> Oldest { get; } = Comparer<Concluded>.Create(static (a, b) =>
            a.Finished != b.Finished ? a.Finished.CompareTo(b.Finished) : string.CompareOrdinal(a.Id.Value, b.Id.Value));
    }
}
