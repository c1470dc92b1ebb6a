using System.Text.Json;
using System.Text.Json.Serialization;
using Ergon.Admission;
using Ergon.Daemon.Settings;
using Ergon.Docker;

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

    /// <summary>What is retained beside <see cref="PersistLogs"/>.</summary>
    public RetentionFile? Retention { get; init; }

    /// <summary>As <see cref="DaemonOptions.MaxLogLimits"/>.</summary>
    public OutputFile? Output { get; init; }

    /// <summary>As <see cref="DaemonOptions.Database"/>.</summary>
    public DatabaseFile? Database { get; init; }

    /// <summary>As <see cref="DaemonOptions.Docker"/>.</summary>
    public DockerFile? Docker { get; init; }

    /// <summary>As <see cref="DaemonOptions.Qemu"/>.</summary>
    public QemuSettings? Qemu { get; init; }

    /// <summary>As <see cref="DaemonOptions.Firecracker"/>.</summary>
    public FirecrackerSettings? Firecracker { get; init; }

    /// <summary>As <see cref="DaemonOptions.Admission"/>.</summary>
    public AdmissionFile? Admission { get; init; }

    /// <summary>As <see cref="DaemonOptions.Policy"/>.</summary>
    public DaemonPolicy? Policy { get; init; }

    /// <summary>As <see cref="DaemonOptions.Network"/>.</summary>
    public NetworkListener? Network { get; init; }

    /// <summary>Says all settings of a daemon.</summary>
    public static DaemonFile Of(DaemonOptions options) => new()
    {
        Socket = options.SocketPath,
        Data = options.DataDirectory,
        Executors = options.Executors,
        ExecutorIds = options.ExecutorIds,
        OnShutdown = options.OnShutdown,
        MaxConcurrentExecutions = options.MaxConcurrentExecutions,
        PersistLogs = options.DefaultPersistLogs,
        Retention = new RetentionFile { MaxResults = options.MaxRetainedResults, MaxBytes = options.MaxRetainedBytes, MaxExecutions = options.MaxConcludedExecutions },
        Output = options.MaxLogLimits is { } most ? OutputFile.Of(most) : null,
        Database = DatabaseFile.Of(options.Database),
        Docker = DockerFile.Of(options.Docker),
        Qemu = options.Qemu,
        Firecracker = options.Firecracker,
        Admission = options.Admission is { } admission ? AdmissionFile.Of(admission) : null,
        Policy = options.Policy,
        Network = options.Network,
    };

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
        MaxRetainedResults = Retention?.MaxResults ?? defaults.MaxRetainedResults,
        MaxRetainedBytes = Retention?.MaxBytes ?? defaults.MaxRetainedBytes,
        MaxConcludedExecutions = Retention?.MaxExecutions ?? defaults.MaxConcludedExecutions,
        MaxLogLimits = Output?.ToLimits() ?? defaults.MaxLogLimits,
        Database = Database?.ApplyTo(defaults.Database) ?? defaults.Database,
        Docker = Docker?.ApplyTo(defaults.Docker) ?? defaults.Docker,
        Qemu = Qemu ?? defaults.Qemu,
        Firecracker = Firecracker ?? defaults.Firecracker,
        Admission = Admission?.ToOptions() ?? defaults.Admission,
        Policy = Policy ?? defaults.Policy,
        Network = Network ?? defaults.Network,
    };
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

    internal static AdmissionFile Of(AdmissionOptions options) => new()
    {
        Total = options.Total,
        PerRequest = options.PerRequest,
        MaxExecutions = options.MaxExecutions,
        MaxQueued = options.MaxQueued,
        Unstated = options.Unstated,
    };

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

/// <summary>What is retained of executions that have ended; what it leaves out has its default.</summary>
public sealed record RetentionFile
{
    /// <summary>As <see cref="DaemonOptions.MaxRetainedResults"/>.</summary>
    public int? MaxResults { get; init; }

    /// <summary>As <see cref="DaemonOptions.MaxRetainedBytes"/>.</summary>
    public long? MaxBytes { get; init; }

    /// <summary>As <see cref="DaemonOptions.MaxConcludedExecutions"/>.</summary>
    public int? MaxExecutions { get; init; }
}

/// <summary>As <see cref="LogLimits"/>; what it leaves out is not limited.</summary>
public sealed record OutputFile
{
    /// <summary>As <see cref="LogLimits.MaxBytesPerStream"/>.</summary>
    public long? MaxBytesPerStream { get; init; }

    /// <summary>As <see cref="LogLimits.ResultBytes"/>.</summary>
    public long? ResultBytes { get; init; }

    internal static OutputFile Of(LogLimits limits) => new() { MaxBytesPerStream = limits.MaxBytesPerStream, ResultBytes = limits.ResultBytes };

    internal LogLimits ToLimits() => new() { MaxBytesPerStream = MaxBytesPerStream ?? long.MaxValue, ResultBytes = (int)long.Clamp(ResultBytes ?? SettingsRules.MostResultBytes, int.MinValue, int.MaxValue) };
}

/// <summary>As <see cref="DatabaseOptions"/>; what it leaves out has its default.</summary>
public sealed record DatabaseFile
{
    /// <summary>As <see cref="DatabaseOptions.KeyFile"/>.</summary>
    public string? KeyFile { get; init; }

    /// <summary>As <see cref="DatabaseOptions.SetAsideDamaged"/>.</summary>
    public bool? SetAsideDamaged { get; init; }

    /// <summary>As <see cref="DatabaseOptions.SurvivePowerLoss"/>.</summary>
    public bool? SurvivePowerLoss { get; init; }

    /// <summary>As <see cref="DatabaseOptions.MaxEvents"/>.</summary>
    public int? MaxEvents { get; init; }

    internal static DatabaseFile Of(DatabaseOptions options) => new()
    {
        KeyFile = options.KeyFile,
        SetAsideDamaged = options.SetAsideDamaged,
        SurvivePowerLoss = options.SurvivePowerLoss,
        MaxEvents = options.MaxEvents,
    };

    internal DatabaseOptions ApplyTo(DatabaseOptions defaults) => new()
    {
        KeyFile = KeyFile ?? defaults.KeyFile,
        SetAsideDamaged = SetAsideDamaged ?? defaults.SetAsideDamaged,
        SurvivePowerLoss = SurvivePowerLoss ?? defaults.SurvivePowerLoss,
        MaxEvents = MaxEvents ?? defaults.MaxEvents,
    };
}

/// <summary>How the Docker Engine is used; what it leaves out has its default.</summary>
public sealed record DockerFile
{
    /// <summary>As <see cref="DockerOptions.Endpoint"/>.</summary>
    public Uri? Host { get; init; }

    /// <summary>As <see cref="DockerOptions.WarmContainers"/>; an empty object has them with their defaults.</summary>
    public WarmContainersFile? WarmContainers { get; init; }

    internal static DockerFile Of(DockerOptions options) => new()
    {
        Host = options.Endpoint,
        WarmContainers = options.WarmContainers is { } warm ? new WarmContainersFile { MaxIdle = warm.MaxIdle, IdleTime = warm.IdleTime, Directory = warm.Directory } : null,
    };

    internal DockerOptions ApplyTo(DockerOptions defaults) => defaults with
    {
        Endpoint = Host ?? defaults.Endpoint,
        WarmContainers = WarmContainers?.ToOptions() ?? defaults.WarmContainers,
    };
}

/// <summary>As <see cref="WarmContainerOptions"/>; what it leaves out has its default.</summary>
public sealed record WarmContainersFile
{
    /// <summary>As <see cref="WarmContainerOptions.MaxIdle"/>.</summary>
    public int? MaxIdle { get; init; }

    /// <summary>As <see cref="WarmContainerOptions.IdleTime"/>.</summary>
    public TimeSpan? IdleTime { get; init; }

    /// <summary>As <see cref="WarmContainerOptions.Directory"/>.</summary>
    public string? Directory { get; init; }

    internal WarmContainerOptions ToOptions()
    {
        var defaults = new WarmContainerOptions();
        return defaults with { MaxIdle = MaxIdle ?? defaults.MaxIdle, IdleTime = IdleTime ?? defaults.IdleTime, Directory = Directory ?? defaults.Directory };
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
