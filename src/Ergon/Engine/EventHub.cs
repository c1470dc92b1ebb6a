using System.Runtime.CompilerServices;
using System.Threading.Channels;

namespace Ergon.Engine;

/// <summary>Gives every event to every watcher, in order, and never waits for one.</summary>
internal sealed class EventHub(TimeProvider time)
{
    internal const int Capacity = 8192;

    private readonly Lock _lock = new();
    private readonly List<Watcher> _watchers = [];
    private long _sequence;
    private bool _closed;

    /// <summary>Numbers the next event after those of a former process.</summary>
    public void ContinueAfter(long sequence)
    {
        lock (_lock) _sequence = sequence;
    }

    /// <summary>Gives the next event to the watchers.</summary>
    public void Publish(ExecutionEventType type, ExecutionInfo info)
    {
        lock (_lock)
        {
            var sequence = ++_sequence;
            if (_watchers.Count > 0) Offer(new ExecutionEvent { Sequence = sequence, Timestamp = time.GetUtcNow(), Type = type, Info = info });
        }
    }

    /// <summary>Gives an event that has its number to the watchers.</summary>
    public void Publish(ExecutionEvent e)
    {
        lock (_lock)
        {
            _sequence = e.Sequence;
            Offer(e);
        }
    }

    /// <summary>Tells the watchers how far a preparation is; that is never stored, and has no number of its own.</summary>
    public void PublishProgress(ExecutionInfo info, PrepareProgress progress)
    {
        lock (_lock)
        {
            if (_watchers.Count == 0) return;
            Offer(new ExecutionEvent { Sequence = _sequence, Timestamp = time.GetUtcNow(), Type = ExecutionEventType.Progress, Info = info, Progress = progress });
        }
    }

    /// <summary>The number of the last event that was told.</summary>
    public long LastSequence
    {
        get { lock (_lock) return _sequence; }
    }

    /// <summary>Subscribes at once; the events are then read from the returned sequence.</summary>
    public IAsyncEnumerable<ExecutionEvent> Watch(WatchRequest request, CancellationToken cancellationToken) =>
        Watch(request, out _, cancellationToken);

    /// <inheritdoc cref="Watch(WatchRequest, CancellationToken)"/>
    /// <param name="request">What to watch.</param>
    /// <param name="from">The number of the last event that was told before.</param>
    /// <param name="cancellationToken">Ends the sequence.</param>
    public IAsyncEnumerable<ExecutionEvent> Watch(WatchRequest request, out long from, CancellationToken cancellationToken)
    {
        var watcher = new Watcher(request);
        lock (_lock)
        {
            from = _sequence;
            if (_closed) watcher.Close();
            else _watchers.Add(watcher);
        }

        return ReadAsync(watcher, cancellationToken);
    }

    public void Close()
    {
        lock (_lock)
        {
            _closed = true;
            foreach (var watcher in _watchers) watcher.Close();
            _watchers.Clear();
        }
    }

    /// <summary>Whether an event was asked for.</summary>
    public static bool Matches(WatchRequest request, ExecutionEvent e) =>
        (request.ExecutionId is not { } id || e.Info.ExecutionId == id) && (request.JobId is not { } job || e.Info.JobId == job);

    /// <summary>Whether nothing comes after an event: a removed execution has no further events; nor has one that never came to run.</summary>
    public static bool IsLast(WatchRequest request, ExecutionEvent e) =>
        request.ExecutionId is not null && e.Type is ExecutionEventType.Removed or ExecutionEventType.StartFailed or ExecutionEventType.Concluded;

    private void Offer(ExecutionEvent e)
    {
        for (var i = _watchers.Count - 1; i >= 0; i--)
            if (!_watchers[i].Offer(e)) _watchers.RemoveAt(i);
    }

    private async IAsyncEnumerable<ExecutionEvent> ReadAsync(Watcher watcher, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        try
        {
            await foreach (var e in watcher.Events.ReadAllAsync(cancellationToken)) yield return e;
        }
        finally
        {
            lock (_lock) _watchers.Remove(watcher);
        }
    }

    private sealed class Watcher(WatchRequest request)
    {
        private readonly Channel<ExecutionEvent> _channel =
            Channel.CreateBounded<ExecutionEvent>(new BoundedChannelOptions(Capacity) { SingleReader = true });

        public ChannelReader<ExecutionEvent> Events => _channel.Reader;

        /// <summary>Takes an event that matches; <see langword="false"/> when the watcher is finished.</summary>
        public bool Offer(ExecutionEvent e)
        {
            if (!Matches(request, e)) return true;
            if (!_channel.Writer.TryWrite(e))
            {
                _channel.Writer.TryComplete(new ExecutorException(
                    ErrorCode.WatcherTooSlow,
                    $"The watcher fell more than {Capacity} events behind and was ended. Read faster, or watch fewer executions, and watch again."));
                return false;
            }

            if (!IsLast(request, e)) return true;
            _channel.Writer.TryComplete();
            return false;
        }

        public void Close() => _channel.Writer.TryComplete();
    }
}
