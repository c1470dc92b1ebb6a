namespace Ergon.Storage;

/// <summary>
/// Where executors keep what a later process must know of their executions: requests, every change with its time, results, events.
/// Logs and the drivers' own files are not in it: they lie in the executor's data directory.
/// </summary>
/// <remarks>
/// Several executors may share a store; each sees its own executions only. What cannot be stored or read is an
/// <see cref="ExecutorException"/> with <see cref="ErrorCode.StorageFailed"/>. The store outlives the executors that use it and is not
/// disposed by them.
/// </remarks>
public interface IExecutionStore
{
    /// <summary>Whether events are kept, so that they can be watched from an earlier one on.</summary>
    bool KeepsEvents { get; }

    /// <summary>Returns the number of the last event that was stored for an executor; 0 when there is none.</summary>
    ValueTask<long> GetLastSequenceAsync(string executorId, CancellationToken cancellationToken);

    /// <summary>Reads every execution of an executor.</summary>
    ValueTask<StoredExecutions> LoadAsync(string executorId, CancellationToken cancellationToken);

    /// <summary>
    /// Stores one change, whole or not at all; completes once a later process would find it. Changes of one executor are stored in the
    /// order of the calls.
    /// </summary>
    ValueTask AppendAsync(string executorId, ExecutionChange change);

    /// <summary>Reads a retained result.</summary>
    ValueTask<ExecutionResult> LoadResultAsync(string executorId, ExecutionId executionId, CancellationToken cancellationToken);

    /// <summary>Reads the events that follow a number, in order, at most as many as a page has; none when there are no more.</summary>
    /// <exception cref="ExecutorException"><see cref="ErrorCode.InvalidRequest"/> when events after that number are no longer kept.</exception>
    ValueTask<IReadOnlyList<ExecutionEvent>> ReadEventsAsync(string executorId, long after, CancellationToken cancellationToken);
}

/// <summary>One change of one execution.</summary>
public sealed record ExecutionChange
{
    /// <summary>The execution as it is after the change.</summary>
    public required ExecutionInfo Info { get; init; }

    /// <summary>The request, with the first change of an execution.</summary>
    public ExecutionRequest? Request { get; init; }

    /// <summary>How it ended; stored before its <see cref="Info"/> says that it has ended, since a part of its end is still to be done.</summary>
    public ExecutionResult? Result { get; init; }

    /// <summary>Why it is being ended, once it is: what a later process goes on with.</summary>
    public TerminationReason? Stopping { get; init; }

    /// <summary>How long it has been paused, which does not count as run time.</summary>
    public PauseTimes Pauses { get; init; }

    /// <summary>Whether log and result have been given up.</summary>
    public bool Released { get; init; }

    /// <summary>Whether the execution is forgotten, with its request and result.</summary>
    public bool Removed { get; init; }

    /// <summary>The event that tells of the change, if one does.</summary>
    public ExecutionEvent? Event { get; init; }
}

/// <summary>One execution as a former process left it.</summary>
/// <param name="Request">Its request.</param>
/// <param name="Info">Where it was.</param>
/// <param name="Stopping">Why it was being ended.</param>
/// <param name="Pauses">How long it has been paused.</param>
/// <param name="Released">Whether log and result have been given up.</param>
/// <param name="Result">How it ended, when that is stored and its info does not say so yet.</param>
public sealed record StoredExecution(
    ExecutionRequest Request, ExecutionInfo Info, TerminationReason? Stopping, PauseTimes Pauses, bool Released, ExecutionResult? Result);

/// <summary>How long an execution has been paused.</summary>
/// <param name="Total">The pauses that are over, together.</param>
/// <param name="Since">When the pause that goes on began (UTC).</param>
public readonly record struct PauseTimes(TimeSpan Total, DateTimeOffset? Since)
{
    /// <summary>The times after a move to a status.</summary>
    internal PauseTimes MovedTo(ExecutionStatus status, DateTimeOffset now)
    {
        if (status == ExecutionStatus.Paused) return this with { Since = now };
        return Since is { } since ? new PauseTimes(Total + Positive(now - since), null) : this;
    }

    /// <summary>How long an execution has run that started then.</summary>
    internal TimeSpan RunTime(DateTimeOffset started, DateTimeOffset now) => Positive((Since ?? now) - started - Total);

    // The clock may have been set back.
    private static TimeSpan Positive(TimeSpan time) => time < TimeSpan.Zero ? TimeSpan.Zero : time;
}

/// <summary>What a store has of one executor.</summary>
/// <param name="Executions">The executions.</param>
/// <param name="Damaged">The executions whose records cannot be read, each with what is wrong.</param>
public sealed record StoredExecutions(
    IReadOnlyList<StoredExecution> Executions, IReadOnlyDictionary<ExecutionId, ExecutorException> Damaged);
