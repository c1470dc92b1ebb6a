namespace Ergon;

/// <summary>What an execution can reach.</summary>
public enum NetworkMode
{
    /// <summary>Nothing but itself.</summary>
    None,

    /// <summary>The outside, through a private address that is translated; ports can be forwarded to it.</summary>
    Bridge,

    /// <summary>Everything that the host can, as the host.</summary>
    Host,
}

/// <summary>The transport of a port.</summary>
public enum PortProtocol
{
    /// <summary>TCP.</summary>
    Tcp,

    /// <summary>UDP.</summary>
    Udp,
}

/// <summary>The network of an execution.</summary>
public sealed record NetworkSpec
{
    /// <summary>What can be reached. <see langword="null"/>: nothing, or a bridge when ports are asked for.</summary>
    public NetworkMode? Mode { get; init; }

    /// <summary>Host ports that lead into the execution.</summary>
    public IReadOnlyList<PortMapping> Ports { get; init; } = [];

    /// <summary>The address under which <c>host.docker.internal</c> is known inside. <see langword="null"/>: the backend's own gateway.</summary>
    public string? GatewayIp { get; init; }

    /// <summary>Name servers, as addresses. Empty: the backend's own.</summary>
    public IReadOnlyList<string> Dns { get; init; } = [];

    /// <summary>The mode after the default is applied.</summary>
    [System.Text.Json.Serialization.JsonIgnore]
    public NetworkMode EffectiveMode => Mode ?? (Ports.Count > 0 ? NetworkMode.Bridge : NetworkMode.None);
}

/// <summary>One host port that leads to a port of the execution.</summary>
public sealed record PortMapping
{
    /// <summary>The host address to listen on. <see langword="null"/>: loopback only, so that nothing is published by accident.</summary>
    public string? HostIp { get; init; }

    /// <summary>The host port; 0 lets the backend choose, see <see cref="ExecutionInfo.Ports"/>.</summary>
    public int HostPort { get; init; }

    /// <summary>The port inside the execution.</summary>
    public required int ExecutorPort { get; init; }

    /// <summary>The transport.</summary>
    public PortProtocol Protocol { get; init; }
}
