namespace Ergon.Networks;

/// <summary>How bridge networks are made.</summary>
internal sealed record BridgeNetworkOptions
{
    /// <summary>The addresses that guests get, four for each. They must not be in use on the host's own networks.</summary>
    public AddressRange AddressPool { get; init; } = AddressRange.Parse("10.201.0.0/16");

    /// <summary>Name servers for guests whose request names none. Empty: the host's.</summary>
    public IReadOnlyList<string> Dns { get; init; } = [];

    /// <summary>Name servers when the host's are all on its loopback, where a guest cannot reach them.</summary>
    public IReadOnlyList<string> FallbackDns { get; init; } = ["1.1.1.1", "8.8.8.8"];

    /// <summary>
    /// Where it is noted which networks exist. Every executor of one machine must use the same directory, and it should not survive
    /// the machine's restart, as the networks do not either.
    /// </summary>
    public string StateDirectory { get; init; } = "/run/ergon/networks";
}
