using System.Globalization;
using System.Runtime.CompilerServices;
using System.Threading.Channels;

namespace Ergon.Daemon.Executors;

/// <summary>
/// The events of several executors as one stream. Each keeps its own order and numbers; a cursor names a place in each of them.
/// </summary>
internal sealed class EventMerge
{
    // Each executor keeps what a slow watcher has not taken, up to its own bound: here only enough to work ahead.
    private const int Ahead = 64;

    private readonly List<(string Executor, IAsyncEnumerable<ExecutionEvent> Events)> _sources = [];
    private readonly bool _single;
    private readonly CancellationToken _cancellation;

    private EventMerge(bool single, CancellationToken cancellationToken) => (_single, _cancellation) = (single, cancellationToken);

    /// <summary>Subscribes to the executors at once.</summary>
    public static EventMerge Subscribe(ExecutorSet executors, WatchRequest request, string? executor, CancellationToken cancellationToken)
    {
        var merge = new EventMerge(request.ExecutionId is not null, cancellationToken);
        foreach (var each in executors.All.Where(e => executor is null || e.Name == executor))
            merge._sources.Add((each.Name, each.Executor.WatchAsync(request, cancellationToken)));
        return merge;
    }

    /// <summary>Reads the events, each with the name of its executor.</summary>
    public async IAsyncEnumerable<(string Executor, ExecutionEvent Event)> ReadAsync([EnumeratorCancellation] CancellationToken cancellationToken)
    {
        using var ending = CancellationTokenSource.CreateLinkedTokenSource(_cancellation, cancellationToken);
        var merged = Channel.CreateBounded<(string, ExecutionEvent)>(new BoundedChannelOptions(Ahead) { SingleReader = true });
        var pumps = _sources.ConvertAll(s => PumpAsync(s.Executor, s.Events, merged.Writer, ending.Token));
        _ = Task.WhenAll(pumps).ContinueWith(
            static (done, writer) => ((ChannelWriter<(string, ExecutionEvent)>)writer!).TryComplete(done.Exception?.InnerException),
            merged.Writer, CancellationToken.None, TaskContinuationOptions.None, TaskScheduler.Default);
        try
        {
            await foreach (var item in merged.Reader.ReadAllAsync(cancellationToken)) yield return item;
        }
        finally
        {
            await ending.CancelAsync();
            await Task.WhenAll(pumps).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }
    }

    // An id belongs to one execution of all executors: with the end of one stream that had events of it, all have ended.
    private async Task PumpAsync(string executor, IAsyncEnumerable<ExecutionEvent> events, ChannelWriter<(string, ExecutionEvent)> writer, CancellationToken cancellationToken)
    {
        var any = false;
        try
        {
            await foreach (var e in events.WithCancellation(cancellationToken))
            {
                any = true;
                await writer.WriteAsync((executor, e), cancellationToken);
            }
        }
        catch (ExecutorException error)
        {
            writer.TryComplete(error);
        }

        if (_single && any) writer.TryComplete();
    }
}

/// <summary>A place in the events of each executor: <c>process:12,docker:40</c>, after the time at which the daemon that gave it began.</summary>
internal sealed class EventCursor
{
    private readonly string _epoch;
    private readonly SortedDictionary<string, long> _places = new(StringComparer.Ordinal);

    public EventCursor(string epoch) => _epoch = epoch;

    /// <summary>Reads a cursor; <see langword="null"/> when it is none, or of a daemon whose events are gone.</summary>
    public static EventCursor? Parse(string text, string epoch)
    {
        var cursor = new EventCursor(epoch);
        var parts = text.Split(',');
        if (parts[0] != epoch) return null;
        foreach (var part in parts[1..])
        {
            if (part.Split(':') is not [var name, var digits] || !long.TryParse(digits, NumberStyles.None, CultureInfo.InvariantCulture, out var place)) return null;
            cursor._places[name] = place;
        }

        return cursor;
    }

    public long? PlaceOf(string executor) => _places.TryGetValue(executor, out var place) ? place : null;

    public void Advance(string executor, long sequence) => _places[executor] = sequence;

    public override string ToString() => string.Concat(_epoch, string.Concat(_places.Select(p => string.Create(CultureInfo.InvariantCulture, $",{p.Key}:{p.Value}"))));
}
