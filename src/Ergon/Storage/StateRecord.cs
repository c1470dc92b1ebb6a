using System.Text.Json;
using System.Text.Json.Serialization;

namespace Ergon.Storage;

/// <summary>The durable form of an execution's state, beside its request.</summary>
internal sealed record StateRecord
{
    public const int CurrentVersion = 1;

    public int Version { get; init; } = CurrentVersion;

    public required ExecutionStatus Status { get; init; }

    public required DateTimeOffset CreatedAt { get; init; }

    public DateTimeOffset? StartedAt { get; init; }

    public DateTimeOffset? FinishedAt { get; init; }

    public TerminationReason? Reason { get; init; }

    public int? ExitCode { get; init; }

    public string? Error { get; init; }

    public IReadOnlyList<PortMapping> Ports { get; init; } = [];

    /// <summary>Why it is being ended, once it is.</summary>
    public TerminationReason? Stopping { get; init; }

    /// <summary>The pauses that are over, together, in ticks.</summary>
    public long PausedTicks { get; init; }

    /// <summary>When the pause that goes on began.</summary>
    public DateTimeOffset? PausedSince { get; init; }

    /// <summary>Whether log and result have been given up.</summary>
    public bool Released { get; init; }

    public static StateRecord From(ExecutionChange change) => From(change.Info) with
    {
        Stopping = change.Stopping,
        PausedTicks = change.Pauses.Total.Ticks,
        PausedSince = change.Pauses.Since,
        Released = change.Released,
    };

    private static StateRecord From(ExecutionInfo info) => new()
    {
        Status = info.Status,
        CreatedAt = info.CreatedAt,
        StartedAt = info.StartedAt,
        FinishedAt = info.FinishedAt,
        Reason = info.Reason,
        ExitCode = info.ExitCode,
        Error = info.Error,
        Ports = info.Ports,
    };

    /// <exception cref="ExecutorException"><see cref="ErrorCode.StorageFailed"/> when the bytes are not a state record of a known version.</exception>
    public static StateRecord Parse(ReadOnlySpan<byte> json)
    {
        try
        {
            var record = JsonSerializer.Deserialize(json, StateJsonContext.Default.StateRecord);
            if (record is { Version: CurrentVersion } && Enum.IsDefined(record.Status)) return record;
            throw new ExecutorException(ErrorCode.StorageFailed, $"A state record has version {record?.Version}; this Ergon reads version {CurrentVersion}. Use the newer Ergon.");
        }
        catch (JsonException e)
        {
            throw new ExecutorException(ErrorCode.StorageFailed, $"A state record is damaged: {e.Message}", innerException: e);
        }
    }

    public byte[] Serialize() => JsonSerializer.SerializeToUtf8Bytes(this, StateJsonContext.Default.StateRecord);

    public ExecutionInfo ToInfo(ExecutionRequest request, string executor) => new()
    {
        JobId = request.JobId,
        ExecutionId = request.ExecutionId,
        Executor = executor,
        Status = Status,
        CreatedAt = CreatedAt,
        StartedAt = StartedAt,
        FinishedAt = FinishedAt,
        Reason = Reason,
        ExitCode = ExitCode,
        Error = Error,
        Ports = Ports,
        Labels = request.Labels,
    };
}

[JsonSourceGenerationOptions(
    PropertyNamingPolicy = JsonKnownNamingPolicy.SnakeCaseLower,
    UseStringEnumConverter = true,
    DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull)]
[JsonSerializable(typeof(StateRecord))]
internal sealed partial class StateJsonContext : JsonSerializerContext;
