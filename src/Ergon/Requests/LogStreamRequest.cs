namespace Ergon;

/// <summary>Which part of an execution's output to stream.</summary>
public sealed record LogStreamRequest
{
    /// <summary>The job; when given, the execution must belong to it.</summary>
    public JobId? JobId { get; init; }

    /// <summary>The execution.</summary>
    public required ExecutionId ExecutionId { get; init; }

    /// <summary>Leave out what was written before the call.</summary>
    public bool Tail { get; init; }

    /// <summary>Keep going until the execution ends.</summary>
    public bool Follow { get; init; }

    /// <summary>Begin here, wherever an earlier stream ended; wins over <see cref="Tail"/>. A place that the log does not have yet is its end.</summary>
    public LogCursor? Cursor { get; init; }
}

/// <summary>Which executions to list. What is not set does not filter.</summary>
public sealed record ListRequest
{
    /// <summary>Only executions of this job.</summary>
    public JobId? JobId { get; init; }

    /// <summary>Only executions with one of these statuses.</summary>
    public IReadOnlyList<ExecutionStatus> Statuses { get; init; } = [];

    /// <summary>Only executions that carry all of these labels.</summary>
    public IReadOnlyDictionary<string, string> Labels { get; init; } = new Dictionary<string, string>();
}

/// <summary>Which events to watch. What is not set does not filter.</summary>
public sealed record WatchRequest
{
    /// <summary>Only events of this execution; the stream then ends after the execution's last event.</summary>
    public ExecutionId? ExecutionId { get; init; }

    /// <summary>Only events of this job.</summary>
    public JobId? JobId { get; init; }

    /// <summary>
    /// Begin with the events that follow this <see cref="ExecutionEvent.Sequence"/>, then go on live, with none missing or twice; 0 begins
    /// with the first. Only executors whose store keeps events can do that, also after a restart. <see langword="null"/>: from now on.
    /// </summary>
    public long? After { get; init; }
}
