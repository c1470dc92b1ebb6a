using System.Text;

namespace Ergon;

/// <summary>How an execution ended.</summary>
public sealed record ExecutionResult
{
    /// <summary>The job.</summary>
    public required JobId JobId { get; init; }

    /// <summary>The execution.</summary>
    public required ExecutionId ExecutionId { get; init; }

    /// <summary><see cref="ExecutionStatus.Success"/> or <see cref="ExecutionStatus.Failed"/>.</summary>
    public required ExecutionStatus Status { get; init; }

    /// <summary>How it ended.</summary>
    public required TerminationReason Reason { get; init; }

    /// <summary>The exit code; 128+n when signal n ended the job; -1 when it is not known.</summary>
    public required int ExitCode { get; init; }

    /// <summary>The signal that ended the job's main process, if one is known to have.</summary>
    public Signal? Signal { get; init; }

    /// <summary>The beginning of stdout.</summary>
    public required CapturedOutput Stdout { get; init; }

    /// <summary>The beginning of stderr.</summary>
    public required CapturedOutput Stderr { get; init; }

    /// <summary>Why it failed, in words; <see langword="null"/> when the exit code says it all.</summary>
    public string? Error { get; init; }

    /// <summary>Whether something other than the job itself ended it.</summary>
    public bool Killed => Reason is not (TerminationReason.Exited or TerminationReason.Signaled);

    /// <summary>When Start was called (UTC).</summary>
    public required DateTimeOffset CreatedAt { get; init; }

    /// <summary>When the job's process started (UTC).</summary>
    public required DateTimeOffset StartedAt { get; init; }

    /// <summary>When the execution became terminal (UTC).</summary>
    public required DateTimeOffset FinishedAt { get; init; }
}

/// <summary>The beginning of one output stream, byte for byte.</summary>
public sealed record CapturedOutput
{
    /// <summary>Nothing was written.</summary>
    public static CapturedOutput Empty { get; } = new() { Bytes = default, TotalBytes = 0 };

    /// <summary>The first bytes of the stream.</summary>
    public required ReadOnlyMemory<byte> Bytes { get; init; }

    /// <summary>How many bytes the job wrote in all.</summary>
    public required long TotalBytes { get; init; }

    /// <summary>Whether the stream was longer than <see cref="Bytes"/>.</summary>
    public bool Truncated => TotalBytes > Bytes.Length;

    /// <summary>The bytes as UTF-8; what is not UTF-8 becomes U+FFFD.</summary>
    public string Text => Encoding.UTF8.GetString(Bytes.Span);

    /// <summary>Returns <see cref="Text"/>.</summary>
    public override string ToString() => Text;
}
