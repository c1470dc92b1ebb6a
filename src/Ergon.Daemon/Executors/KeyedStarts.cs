using System.Collections.Concurrent;

namespace Ergon.Daemon.Executors;

/// <summary>
/// Starts that have a key go on when whoever asked for them is gone: asked for again, they are joined here while they go on, and by the
/// executor, which remembers their keys, after that.
/// </summary>
internal sealed class KeyedStarts(ExecutorSet executors)
{
    private readonly ConcurrentDictionary<string, KeyedStart> _starts = new(StringComparer.Ordinal);

    /// <summary>Starts, or joins the start with the same key. Without a key, the token undoes the start.</summary>
    /// <exception cref="ExecutorException">As <see cref="IExecutor.StartAsync"/>.</exception>
    public async Task<StartedExecution> StartAsync(ExecutionRequest request, CancellationToken cancellationToken)
    {
        if (request.RequestKey is not { Length: > 0 } key) return await executors.StartAsync(request, cancellationToken);
        var fresh = new KeyedStart(request.ExecutionId);
        var start = _starts.GetOrAdd(key, fresh);
        if (start != fresh)
        {
            fresh.Dispose();
            if (start.ExecutionId == request.ExecutionId) await ((Task)start.Outcome).WaitAsync(cancellationToken).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            cancellationToken.ThrowIfCancellationRequested();
            if (start.ExecutionId == request.ExecutionId && start.Outcome.IsFaulted) return await start.Outcome;

            // The executor knows the outcome by the key now, or refuses a key that is another's.
            return await executors.StartAsync(request, cancellationToken);
        }

        _ = RunAsync(start, key, request);
        return await start.Outcome.WaitAsync(cancellationToken);
    }

    /// <summary>Undoes a start that is still being prepared; completes when that is done, or it is too late.</summary>
    public async Task UndoAsync(string key, ExecutionId id, CancellationToken cancellationToken)
    {
        if (!_starts.TryGetValue(key, out var start) || start.ExecutionId != id) return;
        start.Undo();
        await ((Task)start.Outcome).WaitAsync(cancellationToken).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
    }

    private async Task RunAsync(KeyedStart start, string key, ExecutionRequest request)
    {
        await start.RunAsync(token => executors.StartAsync(request, token));
        _starts.TryRemove(new KeyValuePair<string, KeyedStart>(key, start));
        start.Dispose();
    }

    private sealed class KeyedStart(ExecutionId executionId) : IDisposable
    {
        private readonly CancellationTokenSource _undo = new();
        private readonly TaskCompletionSource<StartedExecution> _outcome = new(TaskCreationOptions.RunContinuationsAsynchronously);

        public ExecutionId ExecutionId => executionId;

        public Task<StartedExecution> Outcome => _outcome.Task;

        public void Undo()
        {
            try
            {
                _undo.Cancel();
            }
            catch (ObjectDisposedException)
            {
                // It is started, or has failed: too late.
            }
        }

        public void Dispose() => _undo.Dispose();

        public async Task RunAsync(Func<CancellationToken, Task<StartedExecution>> start)
        {
            try
            {
                _outcome.TrySetResult(await start(_undo.Token));
            }
            catch (OperationCanceledException e)
            {
                Fail(new ExecutorException(ErrorCode.Cancelled, $"The start of execution '{executionId}' was undone, as was asked for.", executionId, e));
            }
            catch (Exception e)
            {
                Fail(e);
            }
        }

        // Whoever asked may be gone.
        private void Fail(Exception e)
        {
            _outcome.TrySetException(e);
            _ = _outcome.Task.Exception;
        }
    }
}
