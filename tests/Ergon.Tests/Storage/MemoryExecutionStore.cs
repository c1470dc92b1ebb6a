using Ergon.Storage;

namespace Ergon.Tests.Storage;

/// <summary>A store that outlives the executors of one test, and that fails or waits where the test wants it to.</summary>
internal sealed class MemoryExecutionStore : IExecutionStore
{
    private const int Page = 3;

    private readonly Lock _lock = new();
    private readonly Dictionary<ExecutionId, StoredExecution> _executions = [];
    private readonly Dictionary<ExecutionId, ExecutionResult> _results = [];
    private readonly List<ExecutionEvent> _events = [];

    public bool KeepsEvents => true;

    /// <summary>Every change that was stored, in order.</summary>
    public List<ExecutionChange> Changes { get; } = [];

    /// <summary>Called before a change is stored.</summary>
    public Func<ExecutionChange, Task> Before { get; set; } = static _ => Task.CompletedTask;

    public ValueTask<long> GetLastSequenceAsync(string executorId, CancellationToken cancellationToken)
    {
        lock (_lock) return ValueTask.FromResult(_events.Count == 0 ? 0 : _events[^1].Sequence);
    }

    public ValueTask<StoredExecutions> LoadAsync(string executorId, CancellationToken cancellationToken)
    {
        lock (_lock)
        {
            var executions = _executions.Values.Select(e => e.Info.IsTerminal ? e with { Result = null } : e).ToList();
            return ValueTask.FromResult(new StoredExecutions(executions, new Dictionary<ExecutionId, ExecutorException>()));
        }
    }

    public async ValueTask AppendAsync(string executorId, ExecutionChange change)
    {
        await Before(change);
        var id = change.Info.ExecutionId;
        lock (_lock)
        {
            Changes.Add(change);
            if (change.Event is { } e) _events.Add(e);
            if (change.Result is { } result) _results[id] = result;
            if (change.Removed || change.Released) _results.Remove(id);
            if (change.Removed) _executions.Remove(id);
            else _executions[id] = new StoredExecution(change.Request ?? _executions[id].Request, change.Info, change.Stopping, change.Pauses, change.Released, _results.GetValueOrDefault(id));
        }
    }

    public ValueTask<ExecutionResult> LoadResultAsync(string executorId, ExecutionId executionId, CancellationToken cancellationToken)
    {
        lock (_lock) return ValueTask.FromResult(_results[executionId]);
    }

    public ValueTask<IReadOnlyList<ExecutionEvent>> ReadEventsAsync(string executorId, long after, CancellationToken cancellationToken)
    {
        lock (_lock) return ValueTask.FromResult<IReadOnlyList<ExecutionEvent>>([.. _events.Where(e => e.Sequence > after).Take(Page)]);
    }

    public static ExecutorException Full(ExecutionId id) => new(ErrorCode.StorageFailed, "The disk is full.", id);
}
