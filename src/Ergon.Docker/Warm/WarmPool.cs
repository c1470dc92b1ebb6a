using System.Threading.Channels;
using Ergon.Docker.Api;

namespace Ergon.Docker.Warm;

/// <summary>Keeps containers waiting for jobs of the kinds that are asked for, within a budget.</summary>
internal sealed class WarmPool : IAsyncDisposable
{
    private const int MadeAtOneTime = 4;
    private const string OwnRoot = "/run/ergon-warm";

    private readonly EngineConnection _engine;
    private readonly WarmContainerOptions _options;
    private readonly TimeProvider _time;
    private readonly Lock _lock = new();
    private readonly Dictionary<string, WarmShelf> _shelves = new(StringComparer.Ordinal);
    private readonly Channel<bool> _wake = Channel.CreateBounded<bool>(new BoundedChannelOptions(1) { FullMode = BoundedChannelFullMode.DropWrite });
    private readonly CancellationTokenSource _disposed = new();
    private readonly Lazy<string> _root;
    private readonly Task _tending;

    public WarmPool(EngineConnection engine, WarmContainerOptions options, TimeProvider time)
    {
        (_engine, _options, _time) = (engine, options, time);
        _root = new Lazy<string>(MakeRoot);
        _tending = Task.Run(() => TendAsync(_disposed.Token));
    }

    /// <summary>How many containers wait.</summary>
    public int Waiting
    {
        get { lock (_lock) return _shelves.Values.Sum(s => s.Waiting); }
    }

    /// <summary>Why none could be made the last time.</summary>
    public string? Problem { get; private set; }

    /// <summary>Takes a container that waits, of the image as it is now; <see langword="null"/>: none does.</summary>
    public async Task<(WarmContainer Container, ImageDescription Image)?> TakeAsync(WarmKind kind, CancellationToken cancellationToken)
    {
        var shelf = Ask(kind);
        ImageDescription? image = null;
        if (_options.Always)
        {
            lock (_lock) shelf.Begin();
            await MakeAsync(shelf, cancellationToken);
        }

        while (Take(shelf) is { } container)
        {
            try
            {
                image ??= await InspectAsync(kind, cancellationToken);
                if (container.IsWaiting && container.ImageId == image.Id)
                {
                    Wake();
                    return (container, image);
                }

                await container.DisposeAsync();
            }
            catch (Exception e)
            {
                await container.DisposeAsync();
                if (e is not ExecutorException) throw;

                // The image is gone, or the Engine: whoever makes a container says what is wrong.
                break;
            }
        }

        Wake();
        return null;
    }

    public async ValueTask DisposeAsync()
    {
        await _disposed.CancelAsync();
        await _tending;
        while (TakeAny() is { } container) await container.DisposeAsync();
        _disposed.Dispose();
    }

    private void Wake() => _wake.Writer.TryWrite(true);

    private WarmShelf Ask(WarmKind kind)
    {
        lock (_lock)
        {
            if (!_shelves.TryGetValue(kind.Key, out var shelf)) _shelves[kind.Key] = shelf = new WarmShelf(kind, _options.IdleTime);
            shelf.Ask(_time.GetUtcNow());
            return shelf;
        }
    }

    private WarmContainer? Take(WarmShelf shelf)
    {
        lock (_lock) return shelf.TryTake();
    }

    private WarmContainer? TakeAny()
    {
        lock (_lock) return _shelves.Values.Select(s => s.TryTake()).FirstOrDefault(c => c is not null);
    }

    private Task<ImageDescription> InspectAsync(WarmKind kind, CancellationToken cancellationToken) =>
        _engine.CallAsync("look at the image", (client, token) => client.InspectImageAsync(kind.Image, token), cancellationToken);

    private async Task TendAsync(CancellationToken cancellationToken)
    {
        try
        {
            while (true)
            {
                await WaitAsync(cancellationToken);
                while ((TakeForgotten() ?? TakeOverBudget()) is { } unused) await unused.DisposeAsync();
                while (BeginSome() is { Count: > 0 } shelves) await Task.WhenAll(shelves.Select(s => MakeAsync(s, cancellationToken)));
            }
        }
        catch (OperationCanceledException) when (cancellationToken.IsCancellationRequested)
        {
            // The pool is disposed.
        }
    }

    // Until somebody asks, or until what nobody asks for any more is to be removed.
    private async Task WaitAsync(CancellationToken cancellationToken)
    {
        var now = _time.GetUtcNow();
        DateTimeOffset? next;
        lock (_lock) next = _shelves.Count == 0 ? null : _shelves.Values.Min(s => s.ForgottenAt);
        using var timer = new CancellationTokenSource(next is { } at ? (at > now ? at - now : TimeSpan.Zero) : Timeout.InfiniteTimeSpan, _time);
        using var linked = CancellationTokenSource.CreateLinkedTokenSource(timer.Token, cancellationToken);
        try
        {
            await _wake.Reader.ReadAsync(linked.Token);
        }
        catch (OperationCanceledException) when (!cancellationToken.IsCancellationRequested)
        {
            // It is time.
        }
    }

    private WarmContainer? TakeForgotten()
    {
        lock (_lock)
        {
            foreach (var (key, shelf) in _shelves.Where(s => s.Value.IsForgotten(_time.GetUtcNow())).ToList())
            {
                if (shelf.TryTake() is { } container) return container;
                if (shelf.Count == 0) _shelves.Remove(key);
            }

            return null;
        }
    }

    // A kind of which none waits takes the place of what was not asked for as lately.
    private WarmContainer? TakeOverBudget()
    {
        lock (_lock)
        {
            if (_shelves.Values.Sum(s => s.Count) < _options.MaxIdle) return null;
            var wanting = _shelves.Values.Where(s => s.Count == 0 && s.Missing(_time.GetUtcNow()) > 0).MaxBy(s => s.LastAsked);
            return wanting is null ? null : _shelves.Values.Where(s => s.Waiting > 0 && s.LastAsked < wanting.LastAsked).MinBy(s => s.LastAsked)?.TryTake();
        }
    }

    // Those that were asked for last come first; what is over the budget is not made.
    private List<WarmShelf> BeginSome()
    {
        lock (_lock)
        {
            var now = _time.GetUtcNow();
            var room = Math.Min(MadeAtOneTime, _options.MaxIdle - _shelves.Values.Sum(s => s.Count));
            var begun = _shelves.Values.OrderByDescending(s => s.LastAsked).SelectMany(s => Enumerable.Repeat(s, s.Missing(now))).Take(Math.Max(0, room)).ToList();
            foreach (var shelf in begun) shelf.Begin();
            return begun;
        }
    }

    private async Task MakeAsync(WarmShelf shelf, CancellationToken cancellationToken)
    {
        try
        {
            var image = await InspectAsync(shelf.Kind, cancellationToken);
            var made = await WarmContainer.MakeAsync(_engine, shelf.Kind, image.Id, _root.Value, cancellationToken);
            lock (_lock) shelf.Add(made);
            Problem = null;
        }
        catch (Exception e) when (e is ExecutorException or EngineApiException or IOException or UnauthorizedAccessException or System.Net.Sockets.SocketException)
        {
            Problem = e.Message;
            lock (_lock) shelf.Fail(_time.GetUtcNow());
        }
    }

    private string MakeRoot()
    {
        try
        {
            var root = Directory.CreateDirectory(_options.Directory ?? OwnRoot).FullName;
            WarmFiles.SetMode(root, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute);
            return root;
        }
        catch (UnauthorizedAccessException) when (_options.Directory is null)
        {
            return Directory.CreateTempSubdirectory("ergon-warm-").FullName;
        }
    }
}
