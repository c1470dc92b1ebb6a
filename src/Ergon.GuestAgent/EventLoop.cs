using Ergon.Linux;

namespace Ergon.GuestAgent;

/// <summary>
/// Runs everything on one thread: what the kernel tells, and the continuations of everything that waits for it. So nothing needs a lock,
/// and no thread pool is started.
/// </summary>
internal sealed class EventLoop(KernelEvents events) : SynchronizationContext
{
    private readonly Queue<(SendOrPostCallback Callback, object? State)> _posted = new();
    private readonly Queue<Action> _idle = new();
    private bool _stopping;

    public override void Post(SendOrPostCallback d, object? state) => _posted.Enqueue((d, state));

    public override void Send(SendOrPostCallback d, object? state) => throw new NotSupportedException("There is one thread.");

    /// <summary>Does something when nothing else is to be done.</summary>
    public void WhenIdle(Action action) => _idle.Enqueue(action);

    public void Stop() => _stopping = true;

    /// <summary>Returns after <see cref="Stop"/>.</summary>
    public void Run()
    {
        SetSynchronizationContext(this);
        while (!_stopping)
        {
            while (_posted.TryDequeue(out var next)) next.Callback(next.State);
            if (_stopping) break;
            events.Poll(wait: _idle.Count == 0);
            if (_posted.Count == 0 && _idle.TryDequeue(out var action)) action();
        }
    }
}
