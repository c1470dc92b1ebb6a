using System.Text.Json;
using Ergon.Networks;

namespace Ergon.MicroVm.Tests.Network;

/// <summary>
/// A host, a machine outside, and guests, each in a network namespace of its own, so that the networks are made for real and the
/// machine's own network is never touched. A guest's tap is carried to its namespace by a process, as a VMM would.
/// </summary>
internal sealed class NetworkLab : IAsyncDisposable
{
    public const string HostAddress = "203.0.113.1";
    public const string OutsideAddress = "203.0.113.2";

    private readonly List<NetworkNamespace> _namespaces = [];
    private readonly DirectoryInfo _state = Directory.CreateTempSubdirectory("ergon-networks-");

    public NetworkNamespace Host { get; private set; } = null!;

    public NetworkNamespace Outside { get; private set; } = null!;

    public string StateDirectory => Path.Combine(_state.FullName, "state");

    public static async Task<NetworkLab> CreateAsync()
    {
        Assert.SkipUnless(Environment.UserName == "root", "Making network namespaces needs root.");
        Assert.SkipUnless(NftCommand.Find("nft") is not null, "nft (nftables) is not installed.");
        Assert.SkipUnless(File.Exists("/dev/net/tun"), "There is no /dev/net/tun.");
        var lab = new NetworkLab();
        try
        {
            lab.Host = await lab.AddNamespaceAsync();
            lab.Outside = await lab.AddNamespaceAsync();
            await lab.Host.IpAsync($"link add up0 type veth peer name up0 netns {lab.Outside.Keeper}");
            await lab.Host.IpAsync("link set up0 addrgenmode none");
            await lab.Host.IpAsync($"address add {HostAddress}/24 dev up0");
            await lab.Outside.IpAsync($"address add {OutsideAddress}/24 dev up0");
            await lab.Host.IpAsync("link set up0 up");
            await lab.Outside.IpAsync("link set up0 up");
            await lab.Host.IpAsync($"route add default via {OutsideAddress}");
            return lab;
        }
        catch
        {
            await lab.DisposeAsync();
            throw;
        }
    }

    public async ValueTask DisposeAsync()
    {
        foreach (var one in _namespaces) await one.DisposeAsync();
        _state.Delete(recursive: true);
    }

    /// <summary>Starts a process that makes networks on the host.</summary>
    public NetworksProgram StartNetworks(string? path = null) => new(Host.StartProgramWithPath(path, "networks", StateDirectory));

    /// <summary>Starts a guest on a network: its card, its address, its route.</summary>
    public async Task<NetworkNamespace> StartGuestAsync(BridgeNetwork network)
    {
        var guest = await AddNamespaceAsync();
        (await Host.StartProgram("cable", network.InterfaceName, guest.File, "eth0").ReadLineAsync()).Should().Be("ready");
        await guest.IpAsync($"link set eth0 address {network.GuestMac} mtu {network.Mtu} up");
        await guest.IpAsync($"address add {network.GuestAddress}/{network.PrefixLength} dev eth0");
        await guest.IpAsync($"route add default via {network.Gateway}");
        return guest;
    }

    /// <summary>Everything that a network could leave behind on the host; what others may count on by then (forwarding) stays.</summary>
    public async Task<string> DescribeHostAsync()
    {
        // By name alone: whether a cable is seen to be plugged in yet is a matter of time.
        var links = await Host.RunAsync("sh", "-c", "ip -o link show | cut -d: -f2");
        var addresses = await Host.RunAsync("ip", "-o", "address", "show");
        var routes = await Host.RunAsync("sh", "-c", "ip route show table all | sed 's/ linkdown//'");
        var rules = await Host.RunAsync("nft", "--stateless", "list", "ruleset");
        var settings = await Host.RunAsync("sh", "-c", "find /proc/sys/net/ipv4/conf /proc/sys/net/ipv6/conf -type f ! -path '*/up0/*' ! -path '*/lo/*' ! -name '*forwarding' ! -name stable_secret -exec grep -H . {} + | sort");
        var listeners = await Host.RunAsync("ss", "-Hlntu");
        var notes = Directory.Exists(StateDirectory) ? string.Join('\n', Directory.GetFileSystemEntries(StateDirectory)) : "";
        return string.Join("\n--\n", links, addresses, routes, rules, settings, listeners, notes);
    }

    private async Task<NetworkNamespace> AddNamespaceAsync()
    {
        var one = await NetworkNamespace.CreateAsync();
        _namespaces.Add(one);
        return one;
    }
}

/// <summary>A process that makes networks.</summary>
internal sealed class NetworksProgram(RunningProgram program)
{
    /// <summary>Gives a command; the answer, or null when the process was killed over it.</summary>
    public Task<string?> AskAsync(string command) => program.CommandAsync(command);

    /// <summary>Makes a network with ports written as <c>ADDRESS:HOSTPORT:PORT/tcp</c>, and servers as <c>dns=ADDRESS</c>.</summary>
    public async Task<BridgeNetwork> CreateAsync(string executor, string execution, string spec = "") =>
        Network(await AskAsync($"create {executor} {execution} 1000 {spec}".TrimEnd()))!;

    public async Task<BridgeNetwork?> FindAsync(string executor, string execution) => Network(await AskAsync($"find {executor} {execution}"));

    public async Task RemoveAsync(string executor, string execution) => (await AskAsync($"remove {executor} {execution}")).Should().Be("ok ");

    public async Task CleanupAsync(string executor, params string[] keep) =>
        (await AskAsync(string.Join(' ', ["cleanup", executor, .. keep]))).Should().Be("ok ");

    public Task KillAsync() => program.KillAsync();

    private static BridgeNetwork? Network(string? answer)
    {
        answer.Should().StartWith("ok ");
        return JsonSerializer.Deserialize(answer![3..], NetworkJsonContext.Default.BridgeNetwork);
    }
}
