using System.Runtime.CompilerServices;
using System.Threading.Channels;

namespace Ergon.Daemon.Executors;

/// <summary>
/// The events of several executors as one stream. Each keeps its own order and numbers; a cursor names a place in each of them.
/// </summary>
internal sealed class EventSubscription
{
    // Each executor keeps what a slow watcher has not taken, up to its own bound: here only enough to work ahead.
    private const int Ahead = 64;

    private readonly List<(ManagedExecutor Executor, bool Resumed, IAsyncEnumerable<ExecutionEvent> Events)> _sources = [];
    private readonly WatchRequest _request;
    private readonly EventCursor _cursor;

    private EventSubscription(WatchRequest request, EventCursor cursor) => (_request, _cursor) = (request, cursor);

    /// <summary>The place after the last event that was read.</summary>
    public string Cursor => _cursor.ToString();

    /// <summary>Whether the place that was asked for is not known here, so that events may have been missed.</summary>
    public bool Gap { get; private init; }

    /// <summary>Subscribes to the executors at once, from now on or from the place of a cursor.</summary>
    /// <exception cref="ExecutorException">As <see cref="IExecutor.WatchAsync"/>.</exception>
    public static EventSubscription Create(
        ExecutorSet executors, WatchRequest request, string? executor, string cursor, string daemonId, CancellationToken cancellationToken)
    {
        if (request.After is not null && executor is null && executors.All.Count > 1)
            throw new ExecutorException([new RequestProblem("after", "needs the name of one executor, since each numbers its own events; or give the cursor of an earlier event.")], request.ExecutionId);
        var from = cursor.Length == 0 ? null : EventCursor.Parse(cursor, daemonId);
        var subscription = new EventSubscription(request, from ?? new EventCursor(daemonId)) { Gap = cursor.Length > 0 && from is null };
        foreach (var each in executors.All.Where(e => executor is null || e.Name == executor))
        {
            var place = from?.PlaceOf(each.Name);
            if (place is null && each.Ready) subscription._cursor.Advance(each.Name, request.After ?? each.Executor.LastEvent);
            var resumed = place is null ? request : request with { After = place };
            subscription._sources.Add((each, place is not null, each.Executor.WatchAsync(resumed, cancellationToken)));
        }

        return subscription;
    }

    /// <summary>Reads the events; <see langword="null"/> stands where some are no longer kept.</summary>
    public async IAsyncEnumerable<ExecutionEvent?> ReadAsync([EnumeratorCancellation] CancellationToken cancellationToken)
    {
        using var ending = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        var merged = Channel.CreateBounded<(string Executor, ExecutionEvent? Event)>(new BoundedChannelOptions(Ahead) { SingleReader = true });
        var pumps = _sources.ConvertAll(s => PumpAsync(s.Executor, s.Resumed, s.Events, merged.Writer, ending.Token));
        _ = Task.WhenAll(pumps).ContinueWith(
            static (done, writer) => ((ChannelWriter<(string, ExecutionEvent?)>)writer!).TryComplete(done.Exception?.InnerException),
            merged.Writer, CancellationToken.None, TaskContinuationOptions.None, TaskScheduler.Default);
        try
        {
            await foreach (var (executor, e) in merged.Reader.ReadAllAsync(cancellationToken))
            {
                if (e is not null) _cursor.Advance(executor, e.Sequence);
                yield return e;
            }
        }
        finally
        {
            await ending.CancelAsync();
            await Task.WhenAll(pumps).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }
    }

    private async Task PumpAsync(
        ManagedExecutor executor, bool resumed, IAsyncEnumerable<ExecutionEvent> events, ChannelWriter<(string, ExecutionEvent?)> writer, CancellationToken cancellationToken)
    {
        var any = false;
        try
        {
            await foreach (var e in events.WithCancellation(cancellationToken))
            {
                any = true;
                await writer.WriteAsync((executor.Name, e), cancellationToken);
            }
        }
        catch (ExecutorException e) when (resumed && !any && e.Code == ErrorCode.InvalidRequest)
        {
            // What followed the cursor is no longer kept: the watcher is told so, and goes on from now.
            var live = executor.Executor.WatchAsync(_request with { After = null }, cancellationToken);
            await writer.WriteAsync((executor.Name, null), cancellationToken);
            await PumpAsync(executor, resumed: false, live, writer, cancellationToken);
        }
        catch (ExecutorException error)
        {
            writer.TryComplete(error);
        }

        // An id belongs to one execution of all executors: with the end of the stream that had its events, all have ended.
        if (_request.ExecutionId is not null && any) writer.TryComplete();
    }
}
