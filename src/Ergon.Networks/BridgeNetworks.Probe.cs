using System.Globalization;
using System.Net;
using System.Net.Sockets;
using Ergon.Linux;

namespace Ergon.Networks;

/// <summary>Whether networks can be made here, and whether a request's can.</summary>
internal sealed partial class BridgeNetworks
{
    private const int NetworkAdministrator = 12;

    /// <summary>What keeps this host from making bridge networks, and what to do about it; <see langword="null"/> when nothing does.</summary>
    /// <param name="unconnected">What keeps guests from being connected to them.</param>
    /// <param name="cancellationToken">Ends the call.</param>
    public async ValueTask<FingerprintProblem?> ProbeAsync(FingerprintProblem? unconnected, CancellationToken cancellationToken)
    {
        if (!await IsAdministratorAsync(cancellationToken))
            return new("Bridge networks need the right to change the host's network.", "Run as root, or grant CAP_NET_ADMIN.");
        if (unconnected is not null) return unconnected;
        if (NftCommand.Find("nft") is null)
            return new("Bridge networks need the command 'nft', which was not found.", "Install the package 'nftables'.");
        try
        {
            if (await _nft.CheckAsync(NetworkRules.Render("probe", [Example]), cancellationToken) is { } refusal)
                return new($"The rules of bridge networks are refused here: {refusal}.", "Use Linux 5.10 or newer with nftables 1.0 or newer, and load the kernel's module 'nf_tables'.");
            if (!await HostSettings.DoesForwardPacketsAsync(cancellationToken) && IsReadOnly("/proc/sys/net/ipv4/ip_forward"))
                return new("The host does not forward packets, and this process may not change that.", "Set it from outside: 'sysctl net.ipv4.ip_forward=1'.");
            return await _forward.FindObstacleAsync(cancellationToken);
        }
        catch (ExecutorException e)
        {
            return new(e.Message, "Run 'nft list chains' by hand, as the same user, and see to what it says.");
        }
    }

    /// <summary>Adds what no host can do for a request's network. The common parts have been checked before.</summary>
    public static void Validate(NetworkSpec network, RequestProblems problems)
    {
        for (var i = 0; i < network.Dns.Count; i++)
            if (IsOtherThanIpv4(network.Dns[i])) problems.NotSupported($"network.dns[{i}]", $"is {network.Dns[i]}, but bridge networks are IPv4 only. Name a server's IPv4 address.");
        for (var i = 0; i < network.Ports.Count; i++)
        {
            if (network.Ports[i].HostIp is { } ip && IsOtherThanIpv4(ip))
                problems.NotSupported($"network.ports[{i}].host_ip", $"is {ip}, but bridge networks are IPv4 only. Name an IPv4 address of the host, or 0.0.0.0 for all.");
        }
    }

    private static NetworkRecord Example => new()
    {
        ExecutorId = "probe", ExecutionId = "probe",
        Network = new BridgeNetwork
        {
            InterfaceName = NetworkRecord.InterfacePrefix, GuestAddress = "10.201.0.2", Gateway = "10.201.0.1", PrefixLength = 30, GuestMac = "06:00:0a:c9:00:02", Mtu = DefaultMtu,
            NameServers = ["169.254.0.1"],
            Ports = [new() { HostIp = "127.0.0.1", HostPort = 1, ExecutorPort = 1 }, new() { HostIp = "0.0.0.0", HostPort = 2, ExecutorPort = 2, Protocol = PortProtocol.Udp }],
        },
    };

    private static bool IsOtherThanIpv4(string text) => IPAddress.TryParse(text, out var address) && address.AddressFamily != AddressFamily.InterNetwork;

    private static async ValueTask<bool> IsAdministratorAsync(CancellationToken cancellationToken)
    {
        await foreach (var line in File.ReadLinesAsync("/proc/self/status", cancellationToken))
        {
            if (!line.StartsWith("CapEff:", StringComparison.Ordinal)) continue;
            var rights = ulong.Parse(line.AsSpan("CapEff:".Length).Trim(), NumberStyles.HexNumber, CultureInfo.InvariantCulture);
            return (rights >> NetworkAdministrator & 1) != 0;
        }

        return false;
    }

    private static bool IsReadOnly(string path)
    {
        try
        {
            Descriptors.Open(path, Libc.WriteOnly).Dispose();
            return false;
        }
        catch (LinuxException)
        {
            return true;
        }
    }
}
