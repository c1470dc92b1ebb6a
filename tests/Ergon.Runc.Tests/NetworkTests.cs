using System.Net;
using System.Net.Sockets;
using System.Text;
using Ergon.Conformance;
using Ergon.Linux;
using Ergon.Linux.Networking;
using Ergon.Runc.Tests.Conformance;

namespace Ergon.Runc.Tests;

/// <summary>Bridge networks of containers. What the rules let through is tested where the rules are; here, that containers are under them.</summary>
public sealed class NetworkTests : RuncTests
{
    public NetworkTests(RuncFixture fixture)
        : base(fixture) => Assert.SkipUnless(fixture.SkipReason is not null || fixture.Capabilities.Networks.Contains(NetworkMode.Bridge), "There are no bridge networks here.");

    private static NetworkSpec Bridge => new() { Mode = NetworkMode.Bridge };

    [Fact]
    public async Task A_container_has_one_card_a_route_names_and_no_ipv6()
    {
        var request = Request("ls /sys/class/net; ip route | head -n1; cat /etc/resolv.conf; grep -c host.docker.internal /etc/hosts; cat /proc/sys/net/ipv6/conf/eth0/disable_ipv6 2>/dev/null || echo 1") with
        {
            Network = Bridge with { Dns = ["192.0.2.53"] },
        };
        (await OutputAsync(request)).Should().MatchRegex(@"^eth0\nlo\ndefault via 10\.201\.\d+\.\d+ dev eth0 ?\nnameserver 192\.0\.2\.53\n1\n1\n$");
    }

    [Fact]
    public async Task A_udp_port_leads_into_the_container_from_the_address_that_it_was_published_on()
    {
        var request = Request("sleep 60") with
        {
            Network = new NetworkSpec { Ports = [new PortMapping { ExecutorPort = 7000, HostIp = "127.0.0.1", Protocol = PortProtocol.Udp }] },
        };
        await Executor.StartAsync(request, Token);
        var port = (await Executor.GetStatusAsync(request.ExecutionId, Token)).Ports.Single();
        port.HostIp.Should().Be("127.0.0.1");
        using var server = await ListenInsideAsync(request.ExecutionId, 7000);
        using var client = new UdpClient();
        client.Connect(IPAddress.Loopback, port.HostPort);
        await client.SendAsync("hello"u8.ToArray(), Token);
        var question = await server.ReceiveAsync(Token);
        await server.SendAsync(question.Buffer, question.RemoteEndPoint, Token);
        Encoding.ASCII.GetString((await client.ReceiveAsync(Token)).Buffer).Should().Be("hello");
    }

    [Fact]
    public async Task A_container_reaches_neither_another_one_nor_link_local_addresses()
    {
        var server = Request("echo ready; nc -l -p 7000 -e echo reached") with { Network = new NetworkSpec { Ports = [new PortMapping { ExecutorPort = 7000 }] } };
        await Executor.StartAsync(server, Token);
        await Executor.WaitForOutputAsync(server.ExecutionId, "ready\n", Token);
        await using var session = await Executor.ExecAsync(server.ExecutionId, new ExecRequest { Command = ["sh", "-c", "ip -4 -o address show eth0 | tr -s ' /' '\n\n' | grep 10.201"] }, Token);
        using var reader = new StreamReader(session.StandardOutput);
        var address = (await reader.ReadLineAsync(Token))!.Trim();
        var job = Request($"nc -w 1 {address} 7000 < /dev/null; echo $?; nc -w 1 169.254.169.254 80 < /dev/null; echo $?") with { Network = Bridge };
        (await OutputAsync(job)).Should().Be("1\n1\n");
        using var client = new TcpClient();
        await client.ConnectAsync(IPAddress.Loopback, (await Executor.GetStatusAsync(server.ExecutionId, Token)).Ports.Single().HostPort, Token);
        using var reply = new StreamReader(client.GetStream());
        (await reply.ReadToEndAsync(Token)).Should().Be("reached\n");
    }

    [Fact]
    public async Task When_the_container_has_ended_its_network_is_gone()
    {
        var request = Request("exit 3") with { Network = new NetworkSpec { Ports = [new PortMapping { ExecutorPort = 80 }] } };
        (await RunAsync(request)).ExitCode.Should().Be(3);
        HostView.Leftovers([ExecutorId], Scratch).Where(left => !left.StartsWith("cgroup")).Should().BeEmpty();
    }

    // There is no server for UDP in the image.
    private async Task<UdpClient> ListenInsideAsync(ExecutionId id, int port)
    {
        using var inside = Descriptors.Open($"/proc/{HostView.KeeperOf(ExecutorId, id)}/ns/net", Libc.ReadOnly);
        UdpClient? server = null;
        await NetworkNamespace.RunAsync(inside, () => server = new UdpClient(new IPEndPoint(IPAddress.Any, port)));
        return server!;
    }
}
