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

    public void Publish(ExecutionEventType type, ExecutionInfo info, PrepareProgress? progress = null)
    {
        lock (_lock)
        {
            var sequence = ++_sequence;
            if (_watchers.Count == 0) return;
            var e = new ExecutionEvent { Sequence = sequence, Timestamp = time.GetUtcNow(), Type = type, Info = info, Progress = progress };
            for (var i = _watchers.Count - 1; i >= 0; i--)
                if (!_watchers[i].Offer(e)) _watchers.RemoveAt(i);
        }
    }

    /// <summary>Subscribes at once; the events are then read from the returned sequence.</summary>
    public IAsyncEnumerable<ExecutionEvent> Watch(WatchRequest request, CancellationToken cancellationToken)
    {
        var watcher = new Watcher(request);
        lock (_lock)
        {
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
            if (request.ExecutionId is { } id && e.Info.ExecutionId != id) return true;
            if (request.JobId is { } job && e.Info.JobId != job) return true;
            if (!_channel.Writer.TryWrite(e))
            {
                _channel.Writer.TryComplete(new ExecutorException(
                    ErrorCode.WatcherTooSlow,
                    $"The watcher fell more than {Capacity} events behind and was ended. Read faster, or watch fewer executions, and watch again."));
                return false;
            }

            // A removed execution has no further events; so has one that never came to run.
            var last = e.Type is ExecutionEventType.Removed or ExecutionEventType.StartFailed or ExecutionEventType.Concluded;
            if (!last || request.ExecutionId is null) return true;
            _channel.Writer.TryComplete();
            return false;
        }

        public void Close() => _channel.Writer.TryComplete();
    }
}
