namespace Ergon.Images;

/// <summary>
/// Work that several executions need at the same time is done once: later ones join it, all hear of its progress, and it ends when the
/// last of them gives up. Its result is disposed of when the last of them has left.
/// </summary>
internal sealed class SharedPreparations<TKey, TResult>
    where TKey : notnull
{
    private readonly Lock _lock = new();
    private readonly Dictionary<TKey, Shared> _running = [];

    /// <summary>Does the work, or joins those who wait for it.</summary>
    /// <param name="key">What is the same work.</param>
    /// <param name="report">Takes progress; returns at once.</param>
    /// <param name="work">The work; its token is cancelled when nobody waits any more.</param>
    /// <param name="take">Makes the caller's own result from the shared one while that is certainly alive.</param>
    /// <param name="cancellationToken">Cancels this wait.</param>
    public async Task<TOwn> RunAsync<TOwn>(
        TKey key,
        Action<PrepareProgress> report,
        Func<Action<PrepareProgress>, CancellationToken, Task<TResult>> work,
        Func<TResult, TOwn> take,
        CancellationToken cancellationToken)
    {
        var waiter = new Waiter(report);
        Shared shared;
        lock (_lock)
        {
            if (!_running.TryGetValue(key, out shared!) || !shared.TryJoin(waiter))
            {
                shared = new Shared(waiter);
                _running[key] = shared;
                shared.Begin(work);
            }
        }

        try
        {
            return take(await shared.Completion.WaitAsync(cancellationToken));
        }
        finally
        {
            lock (_lock)
            {
                if (shared.Leave(waiter) && _running.GetValueOrDefault(key) == shared) _running.Remove(key);
            }
        }
    }

    // A class, so that two callers with the same delegate are two.
    private sealed class Waiter(Action<PrepareProgress> report)
    {
        public Action<PrepareProgress> Report { get; } = report;
    }

    /// <summary>One piece of work and those who wait for it.</summary>
    [System.Diagnostics.CodeAnalysis.SuppressMessage("Design", "CA1001", Justification = "A source without timer and wait handle holds nothing, and the work may outlive everyone who waits for it.")]
    private sealed class Shared(Waiter first)
    {
        private readonly Lock _lock = new();
        private readonly CancellationTokenSource _abandoned = new();
        private Waiter[] _waiters = [first];

        public Task<TResult> Completion { get; private set; } = Task.FromCanceled<TResult>(new CancellationToken(canceled: true));

        public void Begin(Func<Action<PrepareProgress>, CancellationToken, Task<TResult>> work) => Completion = Task.Run(() => work(Report, _abandoned.Token));

        /// <summary>Joins work that is still going on and has somebody waiting.</summary>
        public bool TryJoin(Waiter waiter)
        {
            lock (_lock)
            {
                if (Completion.IsCompleted || _abandoned.IsCancellationRequested) return false;
                _waiters = [.. _waiters, waiter];
                return true;
            }
        }

        /// <summary>Leaves; the last to leave work that still goes on ends it.</summary>
        /// <returns>Whether nobody waits for it any more.</returns>
        public bool Leave(Waiter waiter)
        {
            lock (_lock)
            {
                _waiters = [.. _waiters.Where(w => w != waiter)];
                if (_waiters.Length > 0) return false;
                _abandoned.Cancel();
            }

            _ = LetGoAsync();
            return true;
        }

        // Also what completes only now, although nobody waits for it, is let go of; its failure is nobody's any more.
        private async Task LetGoAsync()
        {
            await ((Task)Completion).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            if (Completion.IsCompletedSuccessfully) (await Completion as IDisposable)?.Dispose();
        }

        private void Report(PrepareProgress progress)
        {
            Waiter[] waiters;
            lock (_lock) waiters = _waiters;
            foreach (var waiter in waiters) waiter.Report(progress);
        }
    }
}
