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
    private readonly PriorityQueue<Retained, DateTimeOffset> _due = new();
    private readonly Dictionary<ExecutionId, Retained> _concluded = [];
    private readonly SortedSet<Retained> _retained = new(Retained.Oldest);
    private readonly SortedSet<Retained> _known = new(Retained.Oldest);
    private readonly TimeProvider _time;
    private readonly Func<ExecutionId, Task> _release;
    private readonly Func<ExecutionId, Task> _forget;
    private readonly ITimer _timer;
    private ExecutorOptions _options;
    private long _bytes;

    public RetentionQueue(ExecutorOptions options, TimeProvider time, Func<ExecutionId, Task> release, Func<ExecutionId, Task> forget)
    {
        (_options, _time, _release, _forget) = (options, time, release, forget);
        _timer = time.CreateTimer(static state => ((RetentionQueue)state!).ReleaseDue(), this, Timeout.InfiniteTimeSpan, Timeout.InfiniteTimeSpan);
    }

    /// <summary>Takes an execution that has ended.</summary>
    /// <param name="concluded">The execution.</param>
    /// <param name="hasResult">Whether it has a result that has not been released yet.</param>
    public void Add(Retained concluded, bool hasResult)
    {
        Excess excess;
        lock (_lock)
        {
            _concluded[concluded.Id] = concluded;
            _known.Add(concluded);
            if (hasResult)
            {
                _retained.Add(concluded);
                _bytes += concluded.Bytes;
                Enqueue(concluded);
            }

            excess = TakeExcess();
            Schedule();
        }

        Give(excess);
    }

    /// <summary>Takes an execution out that is forgotten.</summary>
    public void Remove(ExecutionId id)
    {
        lock (_lock)
            if (_concluded.TryGetValue(id, out var concluded)) Remove(concluded);
    }

    /// <summary>Retains by other options from now on, also what has ended already.</summary>
    public void Change(ExecutorOptions options)
    {
        Excess excess;
        lock (_lock)
        {
            _options = options;
            _due.Clear();
            foreach (var concluded in _retained) Enqueue(concluded);
            excess = TakeExcess();
            Schedule();
        }

        Give(excess);
    }

    public void Dispose() => _timer.Dispose();

    private void Enqueue(Retained concluded)
    {
        var retention = concluded.Asked ?? _options.DefaultPersistLogs;
        if (retention < DateTimeOffset.MaxValue - concluded.Finished) _due.Enqueue(concluded, concluded.Finished + retention);
    }

    private Excess TakeExcess()
    {
        var excess = new Excess([], []);
        while (_retained.Min is { } oldest && (_retained.Count > _options.MaxRetainedResults || _bytes > _options.MaxRetainedBytes))
        {
            Drop(oldest);
            excess.Released.Add(oldest.Id);
        }

        while (_known.Count > _options.MaxConcludedExecutions)
        {
            excess.Forgotten.Add(_known.Min!.Id);
            Remove(_known.Min!);
        }

        return excess;
    }

    private void Give(Excess excess)
    {
        foreach (var id in excess.Released) _ = _release(id);
        foreach (var id in excess.Forgotten) _ = _forget(id);
    }

    private void Drop(Retained concluded)
    {
        if (_retained.Remove(concluded)) _bytes -= concluded.Bytes;
    }

    private void Remove(Retained concluded)
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
            while (_due.TryPeek(out var concluded, out var due) && due <= now)
            {
                _due.Dequeue();
                // Released earlier, because there were too many, or forgotten.
                if (!_retained.Contains(concluded)) continue;
                Drop(concluded);
                released.Add(concluded.Id);
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

    private sealed record Excess(List<ExecutionId> Released, List<ExecutionId> Forgotten);
}

/// <summary>An execution that has ended.</summary>
/// <param name="Id">The execution.</param>
/// <param name="Finished">When it ended.</param>
/// <param name="Bytes">What its log and its result take.</param>
/// <param name="Asked">How long its request wants its result; <see langword="null"/> when it does not say.</param>
internal sealed record Retained(ExecutionId Id, DateTimeOffset Finished, long Bytes, TimeSpan? Asked)
{
    public static IComparer<Retained> Oldest { get; } = Comparer<Retained>.Create(static (a, b) =>
        a.Finished != b.Finished ? a.Finished.CompareTo(b.Finished) : string.CompareOrdinal(a.Id.Value, b.Id.Value));
}
