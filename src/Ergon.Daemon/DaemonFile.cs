using System.Text.Json;
using System.Text.Json.Serialization;

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

    /// <summary>As <see cref="DaemonOptions.AllowedVolumeRoots"/>.</summary>
    public IReadOnlyList<string>? AllowedVolumeRoots { get; init; }

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
        AllowedVolumeRoots = AllowedVolumeRoots ?? defaults.AllowedVolumeRoots,
    };

    private static DaemonFile Parse(byte[] json) =>
        JsonSerializer.Deserialize(json, DaemonFileContext.Default.DaemonFile) ?? throw new JsonException("it is null");
}

[JsonSourceGenerationOptions(
    PropertyNamingPolicy = JsonKnownNamingPolicy.SnakeCaseLower,
    DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull,
    UnmappedMemberHandling = JsonUnmappedMemberHandling.Disallow,
    ReadCommentHandling = JsonCommentHandling.Skip,
    AllowTrailingCommas = true,
    AllowDuplicateProperties = false,
    Converters = [typeof(Json.DurationConverter), typeof(Json.SnakeCaseConverter<DisposeBehavior>)])]
[JsonSerializable(typeof(DaemonFile))]
internal sealed partial class DaemonFileContext : JsonSerializerContext;
