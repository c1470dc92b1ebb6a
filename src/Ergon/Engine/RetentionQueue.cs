namespace Ergon.Engine;

/// <summary>Calls back when a retention is over, with one timer for all of them.</summary>
internal sealed class RetentionQueue : IDisposable
{
    // A timer takes at most 49 days; what is due later is looked at again then.
    private static readonly TimeSpan LongestWait = TimeSpan.FromDays(30);

    private readonly Lock _lock = new();
    private readonly PriorityQueue<ExecutionId, DateTimeOffset> _due = new();
    private readonly TimeProvider _time;
    private readonly Func<ExecutionId, Task> _release;
    private readonly ITimer _timer;

    public RetentionQueue(TimeProvider time, Func<ExecutionId, Task> release)
    {
        _time = time;
        _release = release;
        _timer = time.CreateTimer(static state => ((RetentionQueue)state!).ReleaseDue(), this, Timeout.InfiniteTimeSpan, Timeout.InfiniteTimeSpan);
    }

    public void Add(ExecutionId id, DateTimeOffset due)
    {
        lock (_lock)
        {
            _due.Enqueue(id, due);
            Schedule();
        }
    }

    public void Dispose() => _timer.Dispose();

    private void ReleaseDue()
    {
        var released = new List<ExecutionId>();
        lock (_lock)
        {
            var now = _time.GetUtcNow();
            while (_due.TryPeek(out var id, out var due) && due <= now)
            {
                _due.Dequeue();
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
}
