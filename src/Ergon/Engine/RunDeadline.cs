namespace Ergon.Engine;

/// <summary>The run timeout of one execution; it stands still while the execution is paused.</summary>
internal sealed class RunDeadline : IDisposable
{
    private readonly Lock _lock = new();
    private readonly TimeProvider _time;
    private readonly ITimer _timer;
    private TimeSpan _remaining;
    private long _since;
    private bool _running = true;

    public RunDeadline(TimeSpan remaining, TimeProvider time, Action expired)
    {
        _time = time;
        _remaining = remaining < TimeSpan.Zero ? TimeSpan.Zero : remaining;
        _since = time.GetTimestamp();
        _timer = time.CreateTimer(static state => ((Action)state!)(), expired, Bounded(_remaining), Timeout.InfiniteTimeSpan);
    }

    public void Pause()
    {
        lock (_lock)
        {
            if (!_running) return;
            _running = false;
            var left = _remaining - _time.GetElapsedTime(_since);
            _remaining = left < TimeSpan.Zero ? TimeSpan.Zero : left;
            _timer.Change(Timeout.InfiniteTimeSpan, Timeout.InfiniteTimeSpan);
        }
    }

    public void Resume()
    {
        lock (_lock)
        {
            if (_running) return;
            _running = true;
            _since = _time.GetTimestamp();
            _timer.Change(Bounded(_remaining), Timeout.InfiniteTimeSpan);
        }
    }

    public void Dispose() => _timer.Dispose();

    // A timer takes at most 2^32-2 milliseconds (49 days); the validator refuses longer run timeouts.
    private static TimeSpan Bounded(TimeSpan time) => time > RequestValidator.LongestTimeout ? RequestValidator.LongestTimeout : time;
}
