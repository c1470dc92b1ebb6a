using System.Globalization;
using Ergon.Networks;

namespace Ergon.MicroVm.Tests.Network;

/// <summary>Host ports that lead to guests.</summary>
public sealed class PortTests
{
    [Theory]
    [InlineData("tcp")]
    [InlineData("udp")]
    public async Task A_port_on_all_addresses_leads_to_the_guest_from_outside_and_from_the_host(string protocol)
    {
        await using var lab = await NetworkLab.CreateAsync();
        var network = await lab.StartNetworks().CreateAsync("one", "a", $"0.0.0.0:8080:80/{protocol} 0.0.0.0:0:81/{protocol}");
        var guest = await lab.StartGuestAsync(network);
        await guest.ServeAsync(80, "eighty");
        await guest.ServeAsync(81, "eighty-one");
        network.Ports.Select(p => p.ExecutorPort).Should().Equal(80, 81);
        network.Ports[0].HostPort.Should().Be(8080);
        (await lab.Outside.AskAsync(protocol, NetworkLab.HostAddress, 8080)).Should().Be($"eighty sees {NetworkLab.OutsideAddress}");
        (await lab.Outside.AskAsync(protocol, NetworkLab.HostAddress, network.Ports[1].HostPort)).Should().Be($"eighty-one sees {NetworkLab.OutsideAddress}");
        (await lab.Host.AskAsync(protocol, "127.0.0.1", 8080)).Should().Be($"eighty sees {network.Gateway}");
        (await lab.Host.AskAsync(protocol, NetworkLab.HostAddress, 8080)).Should().StartWith("eighty sees");
        (await guest.AskAsync(protocol, network.Gateway, 8080)).Should().Be($"eighty sees {network.Gateway}", "a guest reaches itself by the host's port too");
    }

    [Theory]
    [InlineData("tcp")]
    [InlineData("udp")]
    public async Task A_port_without_an_address_leads_to_the_guest_from_the_hosts_loopback_alone(string protocol)
    {
        await using var lab = await NetworkLab.CreateAsync();
        var network = await lab.StartNetworks().CreateAsync("one", "a", $"-:8080:80/{protocol}");
        var guest = await lab.StartGuestAsync(network);
        await guest.ServeAsync(80, "guest");
        network.Ports[0].HostIp.Should().Be("127.0.0.1");
        (await lab.Host.AskAsync(protocol, "127.0.0.1", 8080)).Should().Be($"guest sees {network.Gateway}");
        (await lab.Host.AskAsync(protocol, NetworkLab.HostAddress, 8080)).Should().Be("ConnectionRefused");
        (await lab.Outside.AskAsync(protocol, NetworkLab.HostAddress, 8080)).Should().Be("ConnectionRefused");
        await ReachTests.SendLoopbackToAsync(lab.Outside, "up0", NetworkLab.HostAddress);
        (await lab.Outside.AskAsync(protocol, "127.0.0.1", 8080)).Should().Be("silence");
    }

    [Fact]
    public async Task A_port_on_all_addresses_is_open_to_other_guests_as_to_everybody()
    {
        await using var lab = await NetworkLab.CreateAsync();
        var networks = lab.StartNetworks();
        var server = await networks.CreateAsync("one", "a", "0.0.0.0:8080:80/tcp");
        var other = await networks.CreateAsync("two", "b");
        await (await lab.StartGuestAsync(server)).ServeAsync(80, "server");
        var guest = await lab.StartGuestAsync(other);
        (await guest.AskAsync("tcp", other.Gateway, 8080)).Should().StartWith("server sees");
    }

    [Theory]
    [InlineData("tcp", "127.0.0.1")]
    [InlineData("udp", "0.0.0.0")]
    public async Task A_port_that_a_process_of_the_host_has_is_refused_and_leaves_nothing(string protocol, string address)
    {
        await using var lab = await NetworkLab.CreateAsync();
        await lab.Host.ServeAsync(8080, "host", address);
        var networks = lab.StartNetworks();
        await networks.CleanupAsync("one");
        var before = await lab.DescribeHostAsync();
        var answer = await networks.AskAsync($"create one a 1000 -:0:79/tcp -:8080:80/{protocol}");
        answer.Should().StartWith("error ResourcesUnavailable").And.Contain("127.0.0.1:8080").And.Contain("is in use");
        (await lab.DescribeHostAsync()).Should().Be(before);
    }

    [Fact]
    public async Task A_port_of_an_execution_is_refused_to_others_also_when_its_executor_is_dead()
    {
        await using var lab = await NetworkLab.CreateAsync();
        var networks = lab.StartNetworks();
        await networks.CreateAsync("one", "a", "0.0.0.0:8080:80/tcp");
        var another = lab.StartNetworks();
        (await another.AskAsync("create two b 1000 -:8080:80/tcp")).Should().StartWith("error ResourcesUnavailable").And.Contain("'a'").And.Contain("'one'");
        await networks.KillAsync();
        (await another.AskAsync("create two b 1000 -:8080:80/tcp")).Should().StartWith("error ResourcesUnavailable").And.Contain("'a'").And.Contain("'one'");
        (await another.CreateAsync("two", "b", "-:8080:80/udp")).Ports.Should().ContainSingle("the other transport is free");
        await another.RemoveAsync("one", "a");
        await another.CreateAsync("two", "c", "-:8080:80/tcp");
    }

    [Fact]
    public async Task A_port_of_an_execution_is_taken_for_the_hosts_own_processes_until_it_is_removed()
    {
        await using var lab = await NetworkLab.CreateAsync();
        var networks = lab.StartNetworks();
        var network = await networks.CreateAsync("one", "a", "-:0:80/tcp -:0:80/udp");
        var ports = network.Ports.Select(p => $":{p.HostPort.ToString(CultureInfo.InvariantCulture)} ").ToList();
        (await lab.Host.RunAsync("ss", "-lntu")).Should().ContainAll(ports);
        await networks.KillAsync();
        (await lab.Host.RunAsync("ss", "-lntu")).Should().NotContainAny(ports);
        var next = lab.StartNetworks();
        (await next.FindAsync("one", "a")).Should().BeEquivalentTo(network);
        (await lab.Host.RunAsync("ss", "-lntu")).Should().ContainAll(ports);
        await next.RemoveAsync("one", "a");
        (await lab.Host.RunAsync("ss", "-lntu")).Should().NotContainAny(ports);
    }

    [Fact]
    public async Task An_address_that_the_host_does_not_have_is_refused()
    {
        await using var lab = await NetworkLab.CreateAsync();
        (await lab.StartNetworks().AskAsync("create one a 1000 198.51.100.9:0:80/tcp")).Should().StartWith("error ResourcesUnavailable").And.Contain("198.51.100.9");
    }

    [Fact]
    public async Task A_client_that_goes_on_sending_is_led_to_the_next_owner_of_the_port()
    {
        await using var lab = await NetworkLab.CreateAsync();
        var networks = lab.StartNetworks();
        var first = await networks.CreateAsync("one", "a", "0.0.0.0:8080:80/udp");
        await (await lab.StartGuestAsync(first)).ServeAsync(80, "first");
        (await lab.Outside.AskAsync("udp", NetworkLab.HostAddress, 8080, sourcePort: 5555)).Should().StartWith("first");
        await networks.RemoveAsync("one", "a");
        await networks.CreateAsync("one", "b");
        var next = await networks.CreateAsync("one", "c", "0.0.0.0:8080:80/udp");
        await (await lab.StartGuestAsync(next)).ServeAsync(80, "next");
        next.GuestAddress.Should().NotBe(first.GuestAddress);
        (await lab.Outside.AskAsync("udp", NetworkLab.HostAddress, 8080, sourcePort: 5555)).Should().StartWith("next");
    }

    [Fact]
    public void What_a_vm_cannot_have_is_told_all_at_once()
    {
        var problems = new RequestProblems();
        BridgeNetworks.Validate(new NetworkSpec { Dns = ["192.0.2.1", "2001:db8::1"], Ports = [new() { ExecutorPort = 1, HostIp = "::1" }, new() { ExecutorPort = 2 }] }, problems);
        var error = Assert.Throws<ExecutorException>(() => problems.ThrowIfAny());
        error.Code.Should().Be(ErrorCode.NotSupported);
        error.Problems.Select(p => p.Field).Should().Equal("network.dns[1]", "network.ports[0].host_ip");
    }
}
