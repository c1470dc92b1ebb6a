using System.Runtime.CompilerServices;
using Ergon.Engine;

namespace Ergon;

public sealed partial class Executor
{
    /// <inheritdoc/>
    public IAsyncEnumerable<ExecutionEvent> WatchAsync(WatchRequest? request = null, CancellationToken cancellationToken = default)
    {
        ObjectDisposedException.ThrowIf(_disposed, this);
        request ??= new WatchRequest();
        if (request.After is not { } after) return _engine.Events.Watch(request, cancellationToken);
        var problems = new RequestProblems();
        if (_options.Store is not { KeepsEvents: true }) problems.NotSupported("after", "needs a store that keeps events, which this executor does not have. Watch from now on, and list what there is.");
        if (after < 0) problems.Invalid("after", $"is {after}; give the sequence of an event, or 0 for the first.");
        problems.ThrowIfAny(request.ExecutionId);
        return WatchFromAsync(request, after, cancellationToken);
    }

    /// <summary>The number of the last event that was told.</summary>
    internal long LastEvent => _engine.Events.LastSequence;

    // Most of the past is read before the present is listened to, so that a long past does not make a slow watcher.
    private async IAsyncEnumerable<ExecutionEvent> WatchFromAsync(
        WatchRequest request, long after, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        await OpenAsync(cancellationToken);
        var last = after;
        var before = _engine.Events.LastSequence;
        if (after > before) throw new ExecutorException([new RequestProblem("after", $"is {after}, but the last event is {before}: it is of another store. List what there is, and watch from now on.")], request.ExecutionId);
        await foreach (var e in ReplayAsync(last, before, cancellationToken))
        {
            last = e.Sequence;
            if (!EventHub.Matches(request, e)) continue;
            yield return e;
            if (EventHub.IsLast(request, e)) yield break;
        }

        var live = _engine.Events.Watch(request, out var from, cancellationToken);
        await foreach (var e in ReplayAsync(last, from, cancellationToken))
        {
            if (!EventHub.Matches(request, e)) continue;
            yield return e;
            if (EventHub.IsLast(request, e)) yield break;
        }

        await foreach (var e in live.WithCancellation(cancellationToken)) yield return e;
    }

    // What is stored and not told yet comes live.
    private async IAsyncEnumerable<ExecutionEvent> ReplayAsync(long after, long upTo, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        while (after < upTo && await _engine.Journal.ReadEventsAsync(after, cancellationToken) is { Count: > 0 } page)
        {
            foreach (var e in page)
            {
                if (e.Sequence > upTo) yield break;
                yield return e;
            }

            after = page[^1].Sequence;
        }
    }
}
