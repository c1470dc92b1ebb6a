using System.Text;
using System.Text.Unicode;

namespace Ergon.Json;

/// <summary>
/// A result as it is written: output as text, so that people and scripts can read it, and as base64 beside the text when the text
/// does not say which bytes they were.
/// </summary>
internal sealed record ExecutionResultJson
{
    public required JobId JobId { get; init; }
    public required ExecutionId ExecutionId { get; init; }
    public required ExecutionStatus Status { get; init; }
    public required TerminationReason Reason { get; init; }
    public required int ExitCode { get; init; }
    public Signal? Signal { get; init; }
    public required string Stdout { get; init; }
    public string? StdoutBase64 { get; init; }
    public required long StdoutBytes { get; init; }
    public bool StdoutTruncated { get; init; }
    public required string Stderr { get; init; }
    public string? StderrBase64 { get; init; }
    public required long StderrBytes { get; init; }
    public bool StderrTruncated { get; init; }
    public string? Error { get; init; }
    public bool Killed { get; init; }
    public required DateTimeOffset CreatedAt { get; init; }
    public required DateTimeOffset StartedAt { get; init; }
    public required DateTimeOffset FinishedAt { get; init; }

    public static ExecutionResultJson From(ExecutionResult result) => new()
    {
        JobId = result.JobId,
        ExecutionId = result.ExecutionId,
        Status = result.Status,
        Reason = result.Reason,
        ExitCode = result.ExitCode,
        Signal = result.Signal,
        Stdout = result.Stdout.Text,
        StdoutBase64 = ToBase64(result.Stdout),
        StdoutBytes = result.Stdout.TotalBytes,
        StdoutTruncated = result.Stdout.Truncated,
        Stderr = result.Stderr.Text,
        StderrBase64 = ToBase64(result.Stderr),
        StderrBytes = result.Stderr.TotalBytes,
        StderrTruncated = result.Stderr.Truncated,
        Error = result.Error,
        Killed = result.Killed,
        CreatedAt = result.CreatedAt,
        StartedAt = result.StartedAt,
        FinishedAt = result.FinishedAt,
    };

    public ExecutionResult ToResult() => new()
    {
        JobId = JobId,
        ExecutionId = ExecutionId,
        Status = Status,
        Reason = Reason,
        ExitCode = ExitCode,
        Signal = Signal,
        Stdout = ToOutput(Stdout, StdoutBase64, StdoutBytes),
        Stderr = ToOutput(Stderr, StderrBase64, StderrBytes),
        Error = Error,
        CreatedAt = CreatedAt,
        StartedAt = StartedAt,
        FinishedAt = FinishedAt,
    };

    private static string? ToBase64(CapturedOutput output) =>
        Utf8.IsValid(output.Bytes.Span) ? null : Convert.ToBase64String(output.Bytes.Span);

    private static CapturedOutput ToOutput(string text, string? base64, long total) => new()
    {
        Bytes = base64 is null ? Encoding.UTF8.GetBytes(text) : Convert.FromBase64String(base64),
        TotalBytes = total,
    };
}
