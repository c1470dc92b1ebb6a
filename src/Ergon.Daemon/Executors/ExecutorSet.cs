using System.Collections.Concurrent;
using Ergon.Json;

namespace Ergon.Daemon.Executors;

/// <summary>The executors of a daemon as one: the type of a request's engine spec chooses, and an id belongs to one execution of all of them.</summary>
internal sealed class ExecutorSet(IReadOnlyList<ManagedExecutor> executors, Drain drain, IdleMemory memory) : IAsyncDisposable
{
    private static readonly ListRequest NotEnded = new() { Statuses = [ExecutionStatus.Pending, ExecutionStatus.Running, ExecutionStatus.Paused] };

    private readonly ConcurrentDictionary<ExecutionId, TaskCompletionSource> _starting = new();

    public IReadOnlyList<ManagedExecutor> All => executors;

    /// <summary>Starts an execution; its result comes at the end, however short its retention is.</summary>
    /// <exception cref="ExecutorException">As <see cref="IExecutor.StartAsync"/>.</exception>
    public async Task<StartedExecution> StartAsync(ExecutionRequest request, CancellationToken cancellationToken)
    {
        var executor = await Named(request.EngineSpec.Type, request.ExecutionId).GetAsync(cancellationToken);
        var id = request.ExecutionId;
        var started = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        if (!_starting.TryAdd(id, started)) throw new ExecutorException(ErrorCode.ExecutionAlreadyStarted, $"Execution '{id}' is being started. Use a new execution id.", id);
        try
        {
            ThrowIfDrained(id);
            foreach (var other in executors)
                if (other.Executor != executor && other.MayKnow(id)) throw await AlreadyKnownAsync(other, id);
            var (_, result) = await executor.StartAndGetResultAsync(request, cancellationToken);
            memory.After(result);
            return new StartedExecution(await executor.GetStatusAsync(id, CancellationToken.None), result);
        }
        finally
        {
            _starting.TryRemove(id, out _);
            started.TrySetResult();
        }
    }

    /// <summary>Finds the executor that has an execution.</summary>
    /// <exception cref="ExecutorException"><see cref="ErrorCode.ExecutionNotFound"/>.</exception>
    public async ValueTask<Executor> FindAsync(ExecutionId id, CancellationToken cancellationToken)
    {
        foreach (var executor in executors)
            if (executor.MayKnow(id)) return await executor.GetAsync(cancellationToken);
        throw new ExecutorException(ErrorCode.ExecutionNotFound, $"The daemon knows no execution '{id}'. It was never started here, or has been removed.", id);
    }

    /// <summary>The executor of a name, if there is one.</summary>
    public ManagedExecutor? Find(string name) => executors.FirstOrDefault(e => e.Name == name);

    /// <summary>Whether one of the executors can take jobs; answers as soon as one says so.</summary>
    public async Task<bool> IsAnyServingAsync()
    {
        await foreach (var report in Task.WhenEach(executors.Select(e => e.Health.CheckAsync())))
            if ((await report).Serving) return true;
        return false;
    }

    /// <exception cref="ExecutorException"><see cref="ErrorCode.NotSupported"/>: there is none of that name.</exception>
    public ManagedExecutor Named(string name, ExecutionId? id = null)
    {
        if (Find(name) is { } executor) return executor;
        var names = executors.Select(e => e.Name).ToList();
        throw new ExecutorException([new RequestProblem("engine_spec.type", $"is '{Quoted.Clip(name)}', which this daemon does not have; {NearestName.Explain(name, names)}")], id);
    }

    /// <summary>Lists executions of all executors, or of one, oldest first.</summary>
    public async Task<List<ExecutionInfo>> ListAsync(ListRequest request, string? executor, CancellationToken cancellationToken)
    {
        List<ExecutionInfo> infos = [];
        foreach (var each in executors.Where(e => executor is null || e.Name == executor))
            infos.AddRange(await each.Executor.ListAsync(request, cancellationToken));
        infos.Sort(static (a, b) => a.CreatedAt.CompareTo(b.CreatedAt) is not 0 and var order ? order : string.CompareOrdinal(a.ExecutionId.Value, b.ExecutionId.Value));
        return infos;
    }

    /// <summary>How many executions have not ended.</summary>
    public async Task<int> CountActiveAsync(CancellationToken cancellationToken) => (await ListAsync(NotEnded, null, cancellationToken)).Count;

    /// <summary>Completes when no execution is being started, runs, or is paused.</summary>
    public async Task WaitUntilIdleAsync(CancellationToken cancellationToken)
    {
        while (true)
        {
            List<Task> ends = [.. _starting.Values.Select(s => s.Task)];
            foreach (var executor in executors.Select(e => e.Executor)) ends.AddRange((await executor.ListAsync(NotEnded, cancellationToken)).Select(i => executor.EndOf(i.ExecutionId)));
            if (ends.Count == 0) return;
            await Task.WhenAll(ends).WaitAsync(cancellationToken);
        }
    }

    /// <summary>Removes everything of all executors, or of one.</summary>
    public async Task CleanupAsync(string? executor, CancellationToken cancellationToken)
    {
        var chosen = executor is null ? executors.Where(e => e.Ready) : [Named(executor)];
        foreach (var each in chosen) await (await each.GetAsync(cancellationToken)).CleanupAsync(cancellationToken);
    }

    public async ValueTask DisposeAsync()
    {
        await Task.WhenAll(executors.Select(e => e.DisposeAsync().AsTask()));
        memory.Dispose();
    }

    // Who repeats a start learns what became of it.
    private void ThrowIfDrained(ExecutionId id)
    {
        if (drain.State is not { } state || executors.Any(e => e.MayKnow(id))) return;
        throw new ExecutorException(
            ErrorCode.ResourcesUnavailable,
            $"This daemon is being drained since {state.Since:u}, as {state.By} asked for, and takes no new executions. Use another one, or undo it with 'ergon drain --undo'.",
            id);
    }

    private static async Task<ExecutorException> AlreadyKnownAsync(ManagedExecutor other, ExecutionId id)
    {
        var info = other.Executor.Knows(id) ? await other.Executor.GetStatusAsync(id) : null;
        return info is { IsTerminal: true }
            ? new ExecutorException(ErrorCode.ExecutionAlreadyConcluded, $"Execution '{id}' has already ended, on the executor '{other.Name}'. Use a new execution id.", id)
            : new ExecutorException(ErrorCode.ExecutionAlreadyStarted, $"Execution '{id}' is already known to the executor '{other.Name}'. Use a new execution id.", id);
    }
}

/// <summary>An execution that was started.</summary>
/// <param name="Info">The execution as it was then.</param>
/// <param name="Result">Comes at the end.</param>
internal sealed record StartedExecution(ExecutionInfo Info, Task<ExecutionResult> Result);
