using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Json.Serialization;

namespace Ergon.Json;

/// <summary>How the contract is written as JSON: snake_case, source-generated.</summary>
[JsonSourceGenerationOptions(
    PropertyNamingPolicy = JsonKnownNamingPolicy.SnakeCaseLower,
    DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull,
    RespectNullableAnnotations = true,
    AllowDuplicateProperties = false,
    Converters =
    [
        typeof(JobIdConverter),
        typeof(ExecutionIdConverter),
        typeof(SignalConverter),
        typeof(DurationConverter),
        typeof(SnakeCaseConverter<ExecutionStatus>),
        typeof(SnakeCaseConverter<TerminationReason>),
        typeof(SnakeCaseConverter<ExecutionEventType>),
        typeof(SnakeCaseConverter<NetworkMode>),
        typeof(SnakeCaseConverter<PortProtocol>),
        typeof(SnakeCaseConverter<GpuVendor>),
    ])]
[JsonSerializable(typeof(ExecutionRequest))]
[JsonSerializable(typeof(ExecutionResultJson))]
[JsonSerializable(typeof(ExecutionInfo))]
[JsonSerializable(typeof(ExecutionEvent))]
[JsonSerializable(typeof(ExecutorFingerprint))]
[JsonSerializable(typeof(ExecutionStats))]
internal sealed partial class ErgonJsonContext : JsonSerializerContext
{
    /// <summary>
    /// The context in use. Its text is not meant to be pasted into HTML, so that only what JSON itself, or a terminal, could
    /// misunderstand is escaped.
    /// </summary>
    public static ErgonJsonContext Relaxed => field ??=
        new(new JsonSerializerOptions(Default.Options) { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping });
}
