namespace Ergon;

/// <summary>What happened to an execution.</summary>
public enum ExecutionEventType
{
    /// <summary>Its id was reserved; it is being prepared.</summary>
    Created,

    /// <summary>Preparation goes on; see <see cref="ExecutionEvent.Progress"/>.</summary>
    Progress,

    /// <summary>The job's process runs.</summary>
    Started,

    /// <summary>It was frozen.</summary>
    Paused,

    /// <summary>It was thawed.</summary>
    Resumed,

    /// <summary>It was found again after a restart of the executor.</summary>
    Recovered,

    /// <summary>It has ended; see <see cref="ExecutionEvent.Info"/>.</summary>
    Concluded,

    /// <summary>Its start failed; nothing of it is left.</summary>
    StartFailed,

    /// <summary>It was forgotten.</summary>
    Removed,
}

/// <summary>Something that happened to an execution.</summary>
public sealed record ExecutionEvent
{
    /// <summary>
    /// Rises with each event of an executor. <see cref="ExecutionEventType.Progress"/>, which is never stored, has the number of the event
    /// before it.
    /// </summary>
    public required long Sequence { get; init; }

    /// <summary>When (UTC).</summary>
    public required DateTimeOffset Timestamp { get; init; }

    /// <summary>What.</summary>
    public required ExecutionEventType Type { get; init; }

    /// <summary>The execution as it was then.</summary>
    public required ExecutionInfo Info { get; init; }

    /// <summary>How far preparation is, with <see cref="ExecutionEventType.Progress"/>.</summary>
    public PrepareProgress? Progress { get; init; }
}

/// <summary>How far a step of the preparation is.</summary>
/// <param name="Step">The step in words: <c>pulling busybox:latest</c>.</param>
/// <param name="Item">The part of the step, such as an image layer's id, if it has parts.</param>
/// <param name="Status">What is happening to it, in the backend's words.</param>
/// <param name="Current">How much is done, in bytes.</param>
/// <param name="Total">How much there is, in bytes.</param>
public sealed record PrepareProgress(string Step, string? Item = null, string? Status = null, long? Current = null, long? Total = null);
