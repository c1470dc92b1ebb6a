using System.Threading.Channels;

namespace Ergon.Drivers;

/// <summary>
/// Keeps sandboxes (containers, machines) waiting for jobs of the kinds that are asked for, within a budget: as many of a kind as were asked for
/// within a second of late, none of what is asked for only once, and none of what nobody has asked for in a while. Each is taken once.
/// </summary>
/// <typeparam name="TKind">What sandboxes must have in common so that one can stand in for another.</typeparam>
/// <typeparam name="TSandbox">A sandbox; disposing removes it.</typeparam>
public sealed class WarmPool<TKind, TSandbox> : IAsyncDisposable
    where TKind : IEquatable<TKind>
    where TSandbox : class, IAsyncDisposable
{
    private const int MadeAtOneTime = 4;

    // A timer takes at most 49 days; what is due later is looked at again then.
    private static readonly TimeSpan LongestWait = TimeSpan.FromDays(30);

    private readonly Func<TKind, CancellationToken, Task<TSandbox>> _makeAsync;
    private readonly int _maxIdle;
    private readonly TimeSpan _idleTime;
    private readonly TimeProvider _time;
    private readonly Lock _lock = new();
    private readonly Dictionary<TKind, WarmShelf<TKind, TSandbox>> _shelves = [];
    private readonly Channel<bool> _wake = Channel.CreateBounded<bool>(new BoundedChannelOptions(1) { FullMode = BoundedChannelFullMode.DropWrite });
    private readonly CancellationTokenSource _disposed = new();
    private readonly Task _tending;

    /// <summary>Creates a pool in which nothing waits yet.</summary>
    /// <param name="makeAsync">Makes a sandbox that waits; leaves nothing behind when it throws.</param>
    /// <param name="maxIdle">How many may wait, of all kinds together.</param>
    /// <param name="idleTime">How long one waits for a job before it is removed.</param>
    /// <param name="timeProvider">The clock.</param>
    public WarmPool(Func<TKind, CancellationToken, Task<TSandbox>> makeAsync, int maxIdle, TimeSpan idleTime, TimeProvider timeProvider)
    {
        (_makeAsync, _maxIdle, _idleTime, _time) = (makeAsync, maxIdle, idleTime, timeProvider);
        _tending = Task.Run(() => TendAsync(_disposed.Token));
    }

    /// <summary>How many wait.</summary>
    public int Waiting
    {
        get { lock (_lock) return _shelves.Values.Sum(s => s.Waiting); }
    }

    /// <summary>Why none could be made or removed the last time; <see langword="null"/>: one could.</summary>
    public string? Problem { get; private set; }

    /// <summary>Takes one that waits, which is then the caller's; <see langword="null"/>: none does, and more will be made.</summary>
    /// <param name="kind">What is needed.</param>
    /// <param name="isUsable">Whether one can still be used; one that cannot is removed, also when this throws.</param>
    public async ValueTask<TSandbox?> TakeAsync(TKind kind, Func<TSandbox, ValueTask<bool>> isUsable)
    {
        var shelf = Ask(kind);
        try
        {
            while (Take(shelf) is { } sandbox)
            {
                var usable = false;
                try
                {
                    usable = await isUsable(sandbox);
                }
                finally
                {
                    if (!usable) await RemoveAsync(sandbox);
                }

                if (usable) return sandbox;
            }

            return null;
        }
        finally
        {
            _wake.Writer.TryWrite(true);
        }
    }

    /// <summary>Makes one that never waits here: it is the caller's, outside the budget; <see langword="null"/>: none can be made.</summary>
    /// <param name="kind">What is needed.</param>
    /// <param name="cancellationToken">Cancels the making.</param>
    public async Task<TSandbox?> MakeAsync(TKind kind, CancellationToken cancellationToken)
    {
        try
        {
            var made = await _makeAsync(kind, cancellationToken);
            Problem = null;
            return made;
        }
        catch (Exception e) when (!cancellationToken.IsCancellationRequested)
        {
            Problem = e.Message;
            return null;
        }
    }

    /// <summary>Removes all that wait.</summary>
    public async ValueTask DisposeAsync()
    {
        if (_disposed.IsCancellationRequested) return;
        await _disposed.CancelAsync();
        await _tending;
        while (TakeAny() is { } sandbox) await RemoveAsync(sandbox);
        _disposed.Dispose();
    }

    private WarmShelf<TKind, TSandbox> Ask(TKind kind)
    {
        lock (_lock)
        {
            var shelf = ShelfOf(kind);
            shelf.Ask(_time.GetUtcNow());
            return shelf;
        }
    }

    private WarmShelf<TKind, TSandbox> ShelfOf(TKind kind)
    {
        if (!_shelves.TryGetValue(kind, out var shelf)) _shelves[kind] = shelf = new WarmShelf<TKind, TSandbox>(kind, _idleTime);
        return shelf;
    }

    private TSandbox? Take(WarmShelf<TKind, TSandbox> shelf)
    {
        lock (_lock) return shelf.TryTake();
    }

    private TSandbox? TakeAny()
    {
        lock (_lock) return _shelves.Values.Select(s => s.TryTake()).FirstOrDefault(c => c is not null);
    }

    private async Task TendAsync(CancellationToken cancellationToken)
    {
        try
        {
            while (true)
            {
                await WaitAsync(cancellationToken);
                while ((TakeForgotten() ?? TakeOverBudget()) is { } unused) await RemoveAsync(unused);
                while (BeginSome() is { Count: > 0 } shelves) await Task.WhenAll(shelves.Select(s => FillAsync(s, cancellationToken)));
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
        DateTimeOffset? next;
        lock (_lock) next = _shelves.Count == 0 ? null : _shelves.Values.Min(s => s.ForgottenAt);
        var wait = next - _time.GetUtcNow() is { } left ? TimeSpan.FromTicks(Math.Clamp(left.Ticks, 0, LongestWait.Ticks)) : Timeout.InfiniteTimeSpan;
        using var timer = new CancellationTokenSource(wait, _time);
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

    private TSandbox? TakeForgotten()
    {
        lock (_lock)
        {
            foreach (var (key, shelf) in _shelves.Where(s => s.Value.IsForgotten(_time.GetUtcNow())).ToList())
            {
                if (shelf.TryTake() is { } sandbox) return sandbox;
                if (shelf.Count == 0) _shelves.Remove(key);
            }

            return null;
        }
    }

    // A kind of which none waits takes the place of what was not asked for as lately.
    private TSandbox? TakeOverBudget()
    {
        lock (_lock)
        {
            if (_shelves.Values.Sum(s => s.Count) < _maxIdle) return null;
            var wanting = _shelves.Values.Where(s => s.Count == 0 && s.Missing(_time.GetUtcNow()) > 0).MaxBy(s => s.LastAsked);
            return wanting is null ? null : _shelves.Values.Where(s => s.Waiting > 0 && s.LastAsked < wanting.LastAsked).MinBy(s => s.LastAsked)?.TryTake();
        }
    }

    // Those that were asked for last come first; what is over the budget is not made.
    private List<WarmShelf<TKind, TSandbox>> BeginSome()
    {
        lock (_lock)
        {
            var now = _time.GetUtcNow();
            var room = Math.Min(MadeAtOneTime, _maxIdle - _shelves.Values.Sum(s => s.Count));
            var begun = _shelves.Values.OrderByDescending(s => s.LastAsked).SelectMany(s => Enumerable.Repeat(s, s.Missing(now))).Take(Math.Max(0, room)).ToList();
            foreach (var shelf in begun) shelf.Begin();
            return begun;
        }
    }

    // Whatever is wrong, jobs run without, and the operator is told.
    private async Task RemoveAsync(TSandbox sandbox)
    {
        try
        {
            await sandbox.DisposeAsync();
        }
        catch (Exception e)
        {
            Problem = e.Message;
        }
    }

    private async Task FillAsync(WarmShelf<TKind, TSandbox> shelf, CancellationToken cancellationToken)
    {
        TSandbox? made = null;
        try
        {
            made = await MakeAsync(shelf.Kind, cancellationToken);
        }
        finally
        {
            lock (_lock)
            {
                if (made is not null) shelf.Add(made);
                else shelf.Fail(_time.GetUtcNow());
            }
        }
    }
}
