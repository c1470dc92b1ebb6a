using System.Text.Json;
using System.Text.Json.Serialization;
using Ergon.Admission;

namespace Ergon.Daemon;

/// <summary>The settings of a daemon as a JSON file says them. What it leaves out has its default.</summary>
public sealed record DaemonFile
{
    /// <summary>As <see cref="DaemonOptions.SocketPath"/>.</summary>
    public string? Socket { get; init; }

    /// <summary>As <see cref="DaemonOptions.DataDirectory"/>.</summary>
    public string? Data { get; init; }

    /// <summary>As <see cref="DaemonOptions.Executors"/>.</summary>
    public IReadOnlyList<string>? Executors { get; init; }

    /// <summary>As <see cref="DaemonOptions.ExecutorIds"/>.</summary>
    public IReadOnlyDictionary<string, string>? ExecutorIds { get; init; }

    /// <summary>As <see cref="DaemonOptions.OnShutdown"/>: <c>detach</c> or <c>cancel</c>.</summary>
    public DisposeBehavior? OnShutdown { get; init; }

    /// <summary>As <see cref="DaemonOptions.MaxConcurrentExecutions"/>.</summary>
    public int? MaxConcurrentExecutions { get; init; }

    /// <summary>As <see cref="DaemonOptions.DefaultPersistLogs"/>, such as <c>"24h"</c>.</summary>
    public TimeSpan? PersistLogs { get; init; }

    /// <summary>As <see cref="DaemonOptions.Admission"/>.</summary>
    public AdmissionFile? Admission { get; init; }

    /// <summary>As <see cref="DaemonOptions.Policy"/>.</summary>
    public DaemonPolicy? Policy { get; init; }

    /// <summary>As <see cref="DaemonOptions.Network"/>.</summary>
    public NetworkListener? Network { get; init; }

    /// <summary>Reads a file.</summary>
    /// <exception cref="ExecutorException"><see cref="ErrorCode.InvalidRequest"/>: it cannot be read, or says something that is not known.</exception>
    public static DaemonFile Read(string path)
    {
        try
        {
            return Parse(File.ReadAllBytes(path));
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or JsonException)
        {
            throw new ExecutorException(ErrorCode.InvalidRequest, $"The settings {path} cannot be read: {e.Message}", innerException: e);
        }
    }

    /// <summary>Writes the settings.</summary>
    public byte[] Serialize() => JsonSerializer.SerializeToUtf8Bytes(this, DaemonFileContext.Default.DaemonFile);

    /// <summary>Puts what the file says in place of the defaults.</summary>
    /// <param name="defaults">What holds where the file says nothing.</param>
    public DaemonOptions ApplyTo(DaemonOptions defaults) => defaults with
    {
        SocketPath = Socket ?? defaults.SocketPath,
        DataDirectory = Data ?? defaults.DataDirectory,
        Executors = Executors ?? defaults.Executors,
        ExecutorIds = ExecutorIds ?? defaults.ExecutorIds,
        OnShutdown = OnShutdown ?? defaults.OnShutdown,
        MaxConcurrentExecutions = MaxConcurrentExecutions ?? defaults.MaxConcurrentExecutions,
        DefaultPersistLogs = PersistLogs ?? defaults.DefaultPersistLogs,
        Admission = Admission?.ToOptions() ?? defaults.Admission,
        Policy = Policy ?? defaults.Policy,
        Network = Network ?? defaults.Network,
    };

    private static DaemonFile Parse(byte[] json) =>
        JsonSerializer.Deserialize(json, DaemonFileContext.Default.DaemonFile) ?? throw new JsonException("it is null");
}

/// <summary>As <see cref="AdmissionOptions"/>; what it leaves out has its default.</summary>
public sealed record AdmissionFile
{
    /// <summary>As <see cref="AdmissionOptions.Total"/>.</summary>
    public ResourceLimits? Total { get; init; }

    /// <summary>As <see cref="AdmissionOptions.PerRequest"/>.</summary>
    public ResourceLimits? PerRequest { get; init; }

    /// <summary>As <see cref="AdmissionOptions.MaxExecutions"/>.</summary>
    public int? MaxExecutions { get; init; }

    /// <summary>As <see cref="AdmissionOptions.MaxQueued"/>.</summary>
    public int? MaxQueued { get; init; }

    /// <summary>As <see cref="AdmissionOptions.Unstated"/>.</summary>
    public ResourceLimits? Unstated { get; init; }

    internal AdmissionOptions ToOptions()
    {
        var defaults = new AdmissionOptions();
        return defaults with
        {
            Total = Total ?? defaults.Total,
            PerRequest = PerRequest ?? defaults.PerRequest,
            MaxExecutions = MaxExecutions,
            MaxQueued = MaxQueued ?? defaults.MaxQueued,
            Unstated = Unstated ?? defaults.Unstated,
        };
    }
}

/// <summary>A number of bytes: whole, or text such as <c>"8g"</c>.</summary>
internal sealed class SizeConverter : JsonConverter<long>
{
    public override long Read(ref Utf8JsonReader reader, Type typeToConvert, JsonSerializerOptions options)
    {
        if (reader.TokenType == JsonTokenType.Number && reader.TryGetInt64(out var number)) return number;
        if (reader.TokenType == JsonTokenType.String && ByteSize.TryParse(reader.GetString(), out var bytes)) return bytes;
        throw new JsonException("a number of bytes, or text such as \"8g\", is expected");
    }

    public override void Write(Utf8JsonWriter writer, long value, JsonSerializerOptions options) => writer.WriteNumberValue(value);
}

[JsonSourceGenerationOptions(
    PropertyNamingPolicy = JsonKnownNamingPolicy.SnakeCaseLower,
    DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull,
    UnmappedMemberHandling = JsonUnmappedMemberHandling.Disallow,
    ReadCommentHandling = JsonCommentHandling.Skip,
    AllowTrailingCommas = true,
    AllowDuplicateProperties = false,
    Converters = [typeof(SizeConverter), typeof(Json.DurationConverter), typeof(Json.SnakeCaseConverter<DisposeBehavior>), typeof(Json.SnakeCaseConverter<NetworkMode>)])]
[JsonSerializable(typeof(DaemonFile))]
internal sealed partial class DaemonFileContext : JsonSerializerContext;
