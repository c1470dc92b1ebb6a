using System.Text.Json.Serialization;

namespace Ergon.Docker.Api;

/// <summary>A container that is to be made. What is <see langword="null"/> is left to the Engine and the image.</summary>
internal sealed record ContainerConfig
{
    [JsonIgnore]
    public string Name { get; init; } = "";

    [JsonIgnore]
    public string? Platform { get; init; }

    public required string Image { get; init; }

    public IReadOnlyList<string>? Entrypoint { get; init; }

    public IReadOnlyList<string>? Cmd { get; init; }

    public IReadOnlyList<string>? Env { get; init; }

    public string? WorkingDir { get; init; }

    public string? User { get; init; }

    public string? Hostname { get; init; }

    public string? StopSignal { get; init; }

    public bool AttachStdout { get; init; }

    public bool AttachStderr { get; init; }

    public required IReadOnlyDictionary<string, string> Labels { get; init; }

    public IReadOnlyDictionary<string, EmptyObject>? ExposedPorts { get; init; }

    public required HostConfig HostConfig { get; init; }
}

/// <summary>What the host gives to a container.</summary>
internal sealed record HostConfig
{
    public string? NetworkMode { get; init; }

    public IReadOnlyList<string>? CapDrop { get; init; }

    public IReadOnlyList<string>? CapAdd { get; init; }

    public bool Privileged { get; init; }

    public IReadOnlyList<string>? SecurityOpt { get; init; }

    public bool ReadonlyRootfs { get; init; }

    public bool? Init { get; init; }

    public long? PidsLimit { get; init; }

    /// <summary>Billionths of a core.</summary>
    public long NanoCpus { get; init; }

    /// <summary>Bytes.</summary>
    public long Memory { get; init; }

    /// <summary>Memory and swap together, in bytes.</summary>
    public long MemorySwap { get; init; }

    public LogConfig? LogConfig { get; init; }

    public IReadOnlyList<Mount> Mounts { get; init; } = [];

    public IReadOnlyDictionary<string, string>? StorageOpt { get; init; }

    public IReadOnlyList<string>? Dns { get; init; }

    public IReadOnlyList<string>? ExtraHosts { get; init; }

    public IReadOnlyDictionary<string, IReadOnlyList<PortBinding>>? PortBindings { get; init; }

    public IReadOnlyList<DeviceRequest>? DeviceRequests { get; init; }

    public IReadOnlyList<DeviceMapping>? Devices { get; init; }

    public IReadOnlyList<string>? GroupAdd { get; init; }
}

internal sealed record LogConfig(string Type, IReadOnlyDictionary<string, string> Config);

internal sealed record Mount(string Type, string Target)
{
    public string? Source { get; init; }

    public bool ReadOnly { get; init; }
}

/// <summary>A port of the host that leads to one of the container's; the port is a number in digits, 0 for any.</summary>
internal sealed record PortBinding(string HostIp, string HostPort);

internal sealed record DeviceRequest(string Driver, IReadOnlyList<IReadOnlyList<string>> Capabilities)
{
    public int Count { get; init; }

    [JsonPropertyName("DeviceIDs")]
    public IReadOnlyList<string>? DeviceIds { get; init; }
}

internal sealed record DeviceMapping(string PathOnHost, string PathInContainer, string CgroupPermissions);

/// <summary>A command to be run in a container.</summary>
internal sealed record ExecConfig
{
    public required IReadOnlyList<string> Cmd { get; init; }

    public IReadOnlyList<string>? Env { get; init; }

    public string? WorkingDir { get; init; }

    public bool AttachStdin { get; init; }

    public bool AttachStdout { get; init; }

    public bool AttachStderr { get; init; }

    public bool Tty { get; init; }
}

internal sealed record ExecStart(bool Detach, bool Tty);

/// <summary>How to log in to a registry.</summary>
internal sealed record RegistryAuth
{
    [JsonPropertyName("username")]
    public string? Username { get; init; }

    [JsonPropertyName("password")]
    public string? Password { get; init; }

    [JsonPropertyName("identitytoken")]
    public string? IdentityToken { get; init; }

    [JsonPropertyName("serveraddress")]
    public string? ServerAddress { get; init; }
}

/// <summary>What the Engine writes as <c>{}</c>.</summary>
internal sealed record EmptyObject;
