using System.Text.Json;
using System.Text.Json.Serialization;

namespace Ergon.Docker.Api;

/// <summary>What was made: a container or a command.</summary>
internal sealed record Created(string Id);

/// <summary>How a container ended.</summary>
internal sealed record WaitAnswer(long StatusCode, WaitError? Error);

internal sealed record WaitError(string? Message);

/// <summary>A container as the Engine describes it.</summary>
internal sealed record ContainerDescription
{
    public required string Id { get; init; }

    public required ContainerState State { get; init; }

    public ContainerSettings? Config { get; init; }

    public NetworkSettings? NetworkSettings { get; init; }
}

internal sealed record ContainerState
{
    public string? Status { get; init; }

    public bool Running { get; init; }

    public int ExitCode { get; init; }

    [JsonPropertyName("OOMKilled")]
    public bool OutOfMemory { get; init; }

    public string? Error { get; init; }

    /// <summary>When it ended, by the Engine's clock.</summary>
    public DateTimeOffset FinishedAt { get; init; }
}

internal sealed record ContainerSettings
{
    public IReadOnlyDictionary<string, string>? Labels { get; init; }

    public string? StopSignal { get; init; }
}

internal sealed record NetworkSettings
{
    public IReadOnlyDictionary<string, IReadOnlyList<PortBinding>?>? Ports { get; init; }
}

/// <summary>A container in a list.</summary>
internal sealed record ListedContainer(string Id, IReadOnlyList<string>? Names, IReadOnlyDictionary<string, string>? Labels);

/// <summary>An image as the Engine describes it.</summary>
internal sealed record ImageDescription(string Id, ImageSettings? Config);

internal sealed record ImageSettings(IReadOnlyList<string>? Entrypoint, IReadOnlyList<string>? Cmd);

/// <summary>A command in a container. The exit code is <see langword="null"/> until the Engine has noted it.</summary>
internal sealed record ExecDescription(bool Running, int? ExitCode, int Pid);

/// <summary>Something that happened.</summary>
internal sealed record EngineEvent(string? Action, EventActor? Actor);

internal sealed record EventActor(IReadOnlyDictionary<string, string>? Attributes);

/// <summary>A step of a pull, or why it failed.</summary>
internal sealed record PullMessage
{
    [JsonPropertyName("id")]
    public string? Id { get; init; }

    [JsonPropertyName("status")]
    public string? Status { get; init; }

    [JsonPropertyName("progressDetail")]
    public PullProgress? Progress { get; init; }

    [JsonPropertyName("errorDetail")]
    public PullError? Error { get; init; }
}

internal sealed record PullProgress([property: JsonPropertyName("current")] long? Current, [property: JsonPropertyName("total")] long? Total);

internal sealed record PullError([property: JsonPropertyName("message")] string? Message);

/// <summary>The Engine's description of itself.</summary>
internal sealed record EngineInfo
{
    public string? ServerVersion { get; init; }

    [JsonPropertyName("OSType")]
    public string? OsType { get; init; }

    public string? OperatingSystem { get; init; }

    public string? KernelVersion { get; init; }

    public string? Architecture { get; init; }

    public string? CgroupVersion { get; init; }

    public string? Driver { get; init; }

    public IReadOnlyList<IReadOnlyList<string>>? DriverStatus { get; init; }

    public string? InitBinary { get; init; }

    public bool MemoryLimit { get; init; }

    public bool SwapLimit { get; init; }

    public bool PidsLimit { get; init; }

    public bool CpuCfsQuota { get; init; }

    public bool LiveRestoreEnabled { get; init; }

    public IReadOnlyDictionary<string, JsonElement>? Runtimes { get; init; }

    [JsonPropertyName("NCPU")]
    public int Cpus { get; init; }

    /// <summary>Bytes.</summary>
    [JsonPropertyName("MemTotal")]
    public long Memory { get; init; }

    /// <summary>The Engine's clock.</summary>
    public DateTimeOffset SystemTime { get; init; }
}
