using System.Collections.Concurrent;

namespace Ergon.Daemon.Executors;

/// <summary>
/// Starts that have a key happen once, however often they are asked for, and go on when whoever asked for them is gone. Outcomes are
/// remembered for the newest keys.
/// </summary>
internal sealed class KeyedStarts(ExecutorSet executors)
{
    private const int Remembered = 10_000;

    private readonly ConcurrentDictionary<string, KeyedStart> _starts = new(StringComparer.Ordinal);
    private readonly ConcurrentQueue<string> _concluded = new();

    /// <summary>Starts, or gives the outcome of the start with the same key. Without a key, the token undoes the start.</summary>
    public async Task<StartedExecution> StartAsync(ExecutionRequest request, string key, CancellationToken cancellationToken)
    {
        if (key.Length == 0) return await executors.StartAsync(request, cancellationToken);
        Check(key, request.ExecutionId);
        var fresh = new KeyedStart(request.ExecutionId);
        var start = _starts.GetOrAdd(key, fresh);
        if (start != fresh) fresh.Dispose();
        if (start.ExecutionId != request.ExecutionId)
            throw new ExecutorException([new RequestProblem("request_key", $"was used for execution '{start.ExecutionId}'; choose a new one for each start.")], request.ExecutionId);

        // Who asked first has the result however short its retention is; who asks again waits for it as anybody would.
        if (start == fresh) return await RunAsync(start, key, request).WaitAsync(cancellationToken);
        var info = await start.Outcome.WaitAsync(cancellationToken);
        return new StartedExecution(info, WaitLaterAsync(request.ExecutionId, cancellationToken));
    }

    /// <summary>Undoes a start that is still being prepared; completes when that is done, or it is too late.</summary>
    public async Task UndoAsync(string key, ExecutionId id, CancellationToken cancellationToken)
    {
        if (!_starts.TryGetValue(key, out var start) || start.ExecutionId != id) return;
        start.Undo();
        await ((Task)start.Outcome).WaitAsync(cancellationToken).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
    }

    private async Task<StartedExecution> RunAsync(KeyedStart start, string key, ExecutionRequest request)
    {
        try
        {
            return await start.RunAsync(token => executors.StartAsync(request, token));
        }
        finally
        {
            start.Dispose();
            _concluded.Enqueue(key);
            while (_concluded.Count > Remembered && _concluded.TryDequeue(out var oldest)) _starts.TryRemove(oldest, out _);
        }
    }

    private async Task<ExecutionResult> WaitLaterAsync(ExecutionId id, CancellationToken cancellationToken) =>
        await (await executors.FindAsync(id, cancellationToken)).WaitAsync(id, cancellationToken);

    private static void Check(string key, ExecutionId id)
    {
        if (key.Length > 256) throw new ExecutorException([new RequestProblem("request_key", "is longer than 256 characters.")], id);
    }

    private sealed class KeyedStart(ExecutionId executionId) : IDisposable
    {
        private readonly CancellationTokenSource _undo = new();
        private readonly TaskCompletionSource<ExecutionInfo> _outcome = new(TaskCreationOptions.RunContinuationsAsynchronously);

        public ExecutionId ExecutionId => executionId;

        public Task<ExecutionInfo> Outcome => _outcome.Task;

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

        // Only the snapshot is kept: results are large.
        public async Task<StartedExecution> RunAsync(Func<CancellationToken, Task<StartedExecution>> start)
        {
            try
            {
                var started = await start(_undo.Token);
                _outcome.TrySetResult(started.Info);
                return started;
            }
            catch (OperationCanceledException e)
            {
                var undone = new ExecutorException(ErrorCode.Cancelled, $"The start of execution '{executionId}' was undone, as was asked for.", executionId, e);
                Fail(undone);
                throw undone;
            }
            catch (Exception e)
            {
                Fail(e);
                throw;
            }
        }

        private void Fail(Exception e)
        {
            _outcome.TrySetException(e);
            _ = _outcome.Task.Exception;
        }
    }
}
