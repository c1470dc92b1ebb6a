using Microsoft.Extensions.Logging;

namespace Ergon.Engine;

/// <summary>
/// Executions that ended while the storage could not be written. Their results were told, and they are kept in the backend until the
/// storage takes the results, so that a later process comes to the same ones. Tries again with growing pauses.
/// </summary>
internal sealed class UnrecordedResults : IAsyncDisposable
{
    private static readonly TimeSpan FirstPause = TimeSpan.FromSeconds(1);
    private static readonly TimeSpan LongestPause = TimeSpan.FromMinutes(1);

    private readonly Lock _lock = new();
    private readonly Queue<Unrecorded> _waiting = new();
    private readonly TimeProvider _time;
    private readonly ILogger _logger;
    private readonly ITimer _timer;
    private TimeSpan _pause = FirstPause;
    private Task _trying = Task.CompletedTask;
    private bool _closed;

    public UnrecordedResults(TimeProvider time, ILogger logger)
    {
        _time = time;
        _logger = logger;
        _timer = time.CreateTimer(static state => ((UnrecordedResults)state!).Begin(), this, Timeout.InfiniteTimeSpan, Timeout.InfiniteTimeSpan);
    }

    /// <summary>Takes an execution whose result is to be recorded later.</summary>
    public void Add(Execution execution, ExecutionResult result, Func<ExecutionResult, Task> record)
    {
        lock (_lock)
        {
            _waiting.Enqueue(new Unrecorded(execution, result, record));
            if (_waiting.Count == 1) _timer.Change(_pause, Timeout.InfiniteTimeSpan);
        }
    }

    /// <summary>Ends the tries; what is not recorded stays in the backend, where a later process finds it.</summary>
    public async ValueTask DisposeAsync()
    {
        Task trying;
        lock (_lock)
        {
            _closed = true;
            trying = _trying;
        }

        await _timer.DisposeAsync();
        await trying;
        foreach (var unrecorded in _waiting)
            if (unrecorded.Execution.Driver is { } driver) await driver.DisposeAsync();
    }

    private void Begin()
    {
        lock (_lock)
            if (!_closed) _trying = TryAllAsync();
    }

    private async Task TryAllAsync()
    {
        await Task.Yield();
        while (Peek() is { } unrecorded)
        {
            if (!await TryAsync(unrecorded)) return;
            lock (_lock)
            {
                _waiting.Dequeue();
                _pause = FirstPause;
            }
        }
    }

    private Unrecorded? Peek()
    {
        lock (_lock) return !_closed && _waiting.TryPeek(out var first) ? first : null;
    }

    private async Task<bool> TryAsync(Unrecorded unrecorded)
    {
        var execution = unrecorded.Execution;
        await execution.Gate.WaitAsync();
        try
        {
            if (!execution.Forgotten) await unrecorded.Record(unrecorded.Result);
            return true;
        }
        catch (ExecutorException e)
        {
            EngineLog.StorageFailed(_logger, execution.Id, e);
            lock (_lock)
            {
                _pause = _pause * 2 < LongestPause ? _pause * 2 : LongestPause;
                if (!_closed) _timer.Change(_pause, Timeout.InfiniteTimeSpan);
            }

            return false;
        }
        finally
        {
            execution.Gate.Release();
        }
    }

    private sealed record Unrecorded(Execution Execution, ExecutionResult Result, Func<ExecutionResult, Task> Record);
}
