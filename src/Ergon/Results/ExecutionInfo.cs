using System.Collections.ObjectModel;

namespace Ergon;

/// <summary>An immutable snapshot of an execution.</summary>
public sealed record ExecutionInfo
{
    /// <summary>The job.</summary>
    public required JobId JobId { get; init; }

    /// <summary>The execution.</summary>
    public required ExecutionId ExecutionId { get; init; }

    /// <summary>The name of the executor that runs it.</summary>
    public required string Executor { get; init; }

    /// <summary>Where it is.</summary>
    public required ExecutionStatus Status { get; init; }

    /// <summary>When Start was called (UTC).</summary>
    public required DateTimeOffset CreatedAt { get; init; }

    /// <summary>When the job's process started (UTC).</summary>
    public DateTimeOffset? StartedAt { get; init; }

    /// <summary>When it became terminal (UTC).</summary>
    public DateTimeOffset? FinishedAt { get; init; }

    /// <summary>How it ended, once terminal.</summary>
    public TerminationReason? Reason { get; init; }

    /// <summary>The exit code, once terminal; -1 when it is not known.</summary>
    public int? ExitCode { get; init; }

    /// <summary>Why it failed, in words.</summary>
    public string? Error { get; init; }

    /// <summary>The host ports that lead into it, with the numbers that the backend chose.</summary>
    public IReadOnlyList<PortMapping> Ports { get; init; } = [];

    /// <summary>The caller's marks.</summary>
    public IReadOnlyDictionary<string, string> Labels { get; init; } = ReadOnlyDictionary<string, string>.Empty;

    /// <summary>Its place among those that wait for resources, from 1 on. <see langword="null"/>: it does not wait.</summary>
    public int? QueuePosition { get; init; }

    /// <summary>Whether it has ended.</summary>
    public bool IsTerminal => Status is ExecutionStatus.Success or ExecutionStatus.Failed;
}
