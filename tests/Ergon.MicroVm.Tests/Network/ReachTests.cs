using Ergon.Networks;

namespace Ergon.MicroVm.Tests.Network;

/// <summary>What a guest reaches, and what it does not. Each refusal is seen to be the rules' doing: without them the answer comes.</summary>
public sealed class ReachTests
{
    [Theory]
    [InlineData("tcp")]
    [InlineData("udp")]
    public async Task A_guest_reaches_the_outside_under_the_hosts_address_and_the_host_under_its_own(string protocol)
    {
        await using var lab = await NetworkLab.CreateAsync();
        var network = await lab.StartNetworks().CreateAsync("one", "a");
        var guest = await lab.StartGuestAsync(network);
        await lab.Outside.ServeAsync(80, "outside");
        await lab.Host.ServeAsync(81, "host");
        (await guest.AskAsync(protocol, NetworkLab.OutsideAddress, 80)).Should().Be($"outside sees {NetworkLab.HostAddress}");
        (await guest.AskAsync(protocol, network.Gateway, 81)).Should().Be($"host sees {network.GuestAddress}");
        await lab.Host.ServeAsync(82, "host", NetworkLab.HostAddress);
        (await guest.AskAsync(protocol, NetworkLab.HostAddress, 82)).Should().Be($"host sees {network.GuestAddress}");
    }

    [Fact]
    public async Task A_guest_does_not_reach_link_local_addresses_but_for_the_name_servers_among_them()
    {
        await using var lab = await NetworkLab.CreateAsync();
        await lab.Outside.IpAsync("address add 169.254.169.254/32 dev up0");
        await lab.Host.IpAsync($"route add 169.254.0.0/16 via {NetworkLab.OutsideAddress}");
        await lab.Outside.ServeAsync(80, "metadata", "169.254.169.254");
        await lab.Outside.ServeAsync(53, "names", "169.254.169.254");
        var networks = lab.StartNetworks();
        var guest = await lab.StartGuestAsync(await networks.CreateAsync("one", "a"));
        var informed = await lab.StartGuestAsync(await networks.CreateAsync("one", "b", "dns=169.254.169.254"));
        (await guest.AskAsync("tcp", "169.254.169.254", 80)).Should().Be("HostUnreachable");
        (await guest.AskAsync("udp", "169.254.169.254", 53)).Should().Be("HostUnreachable");
        (await informed.AskAsync("tcp", "169.254.169.254", 80)).Should().Be("HostUnreachable");
        (await informed.AskAsync("udp", "169.254.169.254", 53)).Should().Be($"names sees {NetworkLab.HostAddress}");
        (await informed.AskAsync("tcp", "169.254.169.254", 53)).Should().Be($"names sees {NetworkLab.HostAddress}");
        await RemoveRulesAsync(lab, "arriving");
        (await guest.AskAsync("tcp", "169.254.169.254", 80)).Should().StartWith("metadata sees");
    }

    [Fact]
    public async Task A_guest_does_not_reach_the_loopback_of_the_host_although_its_ports_lead_from_there()
    {
        await using var lab = await NetworkLab.CreateAsync();
        var network = await lab.StartNetworks().CreateAsync("one", "a", "-:0:80/tcp");
        var guest = await lab.StartGuestAsync(network);
        await lab.Host.ServeAsync(81, "host");
        await SendLoopbackToAsync(guest, "eth0", network.Gateway);
        (await guest.AskAsync("tcp", "127.0.0.1", 81)).Should().Be("silence");
        await RemoveRulesAsync(lab, "arriving");
        (await guest.AskAsync("tcp", "127.0.0.1", 81)).Should().Be($"host sees {network.GuestAddress}");
    }

    [Theory]
    [InlineData("one")]
    [InlineData("two")]
    public async Task A_guest_does_not_reach_another_one_whose_executor_it_may_share(string otherExecutor)
    {
        await using var lab = await NetworkLab.CreateAsync();
        var networks = lab.StartNetworks();
        var other = await networks.CreateAsync(otherExecutor, "b");
        var guest = await lab.StartGuestAsync(await networks.CreateAsync("one", "a"));
        var otherGuest = await lab.StartGuestAsync(other);
        await otherGuest.ServeAsync(80, "other");
        (await lab.Host.AskAsync("tcp", other.GuestAddress, 80)).Should().Be($"other sees {other.Gateway}");
        (await guest.AskAsync("tcp", other.GuestAddress, 80)).Should().NotStartWith("other");
        (await guest.AskAsync("udp", other.GuestAddress, 80)).Should().NotStartWith("other");
        await RemoveRulesAsync(lab, "forwarding");
        (await guest.AskAsync("tcp", other.GuestAddress, 80)).Should().StartWith("other sees");
    }

    [Fact]
    public async Task Nobody_outside_reaches_a_guest_by_its_address()
    {
        await using var lab = await NetworkLab.CreateAsync();
        var network = await lab.StartNetworks().CreateAsync("one", "a");
        var guest = await lab.StartGuestAsync(network);
        await guest.ServeAsync(80, "guest");
        await lab.Outside.IpAsync($"route add {network.GuestAddress} via {NetworkLab.HostAddress}");
        (await lab.Outside.AskAsync("tcp", network.GuestAddress, 80)).Should().Be("silence");
        await RemoveRulesAsync(lab, "forwarding");
        (await lab.Outside.AskAsync("tcp", network.GuestAddress, 80)).Should().Be($"guest sees {NetworkLab.OutsideAddress}");
    }

    [Fact]
    public async Task A_guest_does_not_reach_containers_behind_the_back_of_their_engine()
    {
        await using var lab = await NetworkLab.CreateAsync();
        var guest = await lab.StartGuestAsync(await lab.StartNetworks().CreateAsync("one", "a"));

        // What is behind Docker's bridge is played by the machine outside.
        await lab.Host.IpAsync($"link add docker0 type veth peer name container netns {lab.Outside.Keeper}");
        await lab.Host.IpAsync("address add 198.51.100.1/24 dev docker0");
        await lab.Host.IpAsync("link set docker0 up");
        await lab.Outside.IpAsync("address add 198.51.100.2/24 dev container");
        await lab.Outside.IpAsync("link set container up");
        await lab.Outside.ServeAsync(80, "container");
        (await guest.AskAsync("tcp", "198.51.100.2", 80)).Should().Be("HostUnreachable");
        await RemoveRulesAsync(lab, "forwarding");
        (await guest.AskAsync("tcp", "198.51.100.2", 80)).Should().StartWith("container sees");
    }

    [Fact]
    public async Task What_a_guest_sends_under_a_false_address_goes_nowhere()
    {
        await using var lab = await NetworkLab.CreateAsync();
        var network = await lab.StartNetworks().CreateAsync("one", "a");
        var guest = await lab.StartGuestAsync(network);
        await lab.Host.ServeAsync(81, "host");
        await guest.IpAsync("address add 10.201.200.1/32 dev eth0");
        await lab.Host.IpAsync($"route add 10.201.200.1/32 dev {network.InterfaceName}");
        (await guest.AskAsync("tcp", network.Gateway, 81, "10.201.200.1")).Should().Be("silence");
        await guest.IpAsync("link set eth0 address 06:00:00:00:00:99");
        (await guest.AskAsync("tcp", network.Gateway, 81)).Should().Be("silence");
        await RemoveRulesAsync(lab, "arriving");
        await lab.Host.IpAsync($"neighbour flush dev {network.InterfaceName}");
        (await guest.AskAsync("tcp", network.Gateway, 81)).Should().Be($"host sees {network.GuestAddress}");
        (await guest.AskAsync("tcp", network.Gateway, 81, "10.201.200.1")).Should().Be("host sees 10.201.200.1");
    }

    [Fact]
    public async Task Nothing_of_ipv6_passes()
    {
        await using var lab = await NetworkLab.CreateAsync();
        var network = await lab.StartNetworks().CreateAsync("one", "a");
        await lab.StartGuestAsync(network);
        (await lab.Host.RunAsync("cat", $"/proc/sys/net/ipv6/conf/{network.InterfaceName}/disable_ipv6")).Should().Be("1");
        (await lab.Host.RunAsync("ip", "-6", "address", "show", "dev", network.InterfaceName)).Should().BeEmpty();
    }

    /// <summary>Makes a namespace send what goes to 127.0.0.0/8 over a wire.</summary>
    internal static async Task SendLoopbackToAsync(NetworkNamespace sender, string link, string gateway)
    {
        await sender.IpAsync("link set lo down");
        await sender.IpAsync("address flush dev lo");
        await sender.RunAsync("sh", "-c", $"echo 1 > /proc/sys/net/ipv4/conf/{link}/route_localnet");
        await sender.IpAsync($"route add 127.0.0.0/8 via {gateway}");
    }

    private static async Task RemoveRulesAsync(NetworkLab lab, string chain)
    {
        foreach (var executor in (string[])["one", "two"])
            await lab.Host.TryAsync("nft", "flush", "chain", "inet", NetworkRules.TableOf(executor), chain);
    }
}
