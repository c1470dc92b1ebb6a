using System.Net;
using System.Net.Sockets;
using Ergon.Conformance;

namespace Ergon.Docker.Tests;

/// <summary>Ports, names and name servers.</summary>
public sealed class NetworkTests : DockerTests
{
    [Fact]
    public async Task Tcp_and_udp_ports_lead_into_the_job_on_the_host_addresses_asked_for()
    {
        var executor = NewExecutor();

        // The Engine accepts connections that nobody listens for yet. Nobody does on the UDP port: its kernel counts what comes all the same.
        const string script = """
            nc -l -p 80 -e echo tcp80 & nc -l -p 81 -e echo tcp81 &
            until [ $(cat /proc/net/tcp* | grep -c ' 0A ') = 2 ]; do sleep 0.1; done
            echo ready
            while set -- $(grep '^Udp: [0-9]' /proc/net/snmp); [ $3 = 0 ]; do sleep 0.1; done
            echo 'udp came'; wait
            """;
        var request = Request(Shell(script)) with
        {
            Network = new NetworkSpec
            {
                Ports =
                [
                    new PortMapping { ExecutorPort = 80 },
                    new PortMapping { ExecutorPort = 81, HostIp = "127.0.0.5" },
                    new PortMapping { ExecutorPort = 80, Protocol = PortProtocol.Udp, HostPort = FreePort() },
                ],
            },
        };
        await executor.StartAsync(request, Token);
        await executor.WaitForOutputAsync(request.ExecutionId, "ready\n", Token);
        var ports = (await executor.GetStatusAsync(request.ExecutionId, Token)).Ports;
        ports.Select(p => p.HostIp).Should().Equal("127.0.0.1", "127.0.0.5", "127.0.0.1");
        ports.Select(p => p.ExecutorPort).Should().Equal(80, 81, 80);
        ports[0].HostPort.Should().NotBe(0);
        ports[1].HostPort.Should().NotBe(0);
        ports[2].HostPort.Should().Be(request.Network.Ports[2].HostPort);

        (await ReadTcpAsync(ports[0])).Should().Be("tcp80\n");
        (await ReadTcpAsync(ports[1])).Should().Be("tcp81\n");
        using var udp = new UdpClient();
        await udp.SendAsync("hello"u8.ToArray(), new IPEndPoint(IPAddress.Loopback, ports[2].HostPort), Token);
        await executor.WaitForOutputAsync(request.ExecutionId, "udp came\n", Token);
    }

    [Fact]
    public async Task One_port_may_be_led_to_from_several_host_addresses()
    {
        var executor = NewExecutor();
        var request = Request(Hanging()) with
        {
            Network = new NetworkSpec { Ports = [new PortMapping { ExecutorPort = 80, HostIp = "127.0.0.6" }, new PortMapping { ExecutorPort = 80, HostIp = "127.0.0.7" }] },
        };
        await executor.StartAsync(request, Token);
        var ports = (await executor.GetStatusAsync(request.ExecutionId, Token)).Ports;
        ports.Select(p => p.HostIp).Should().Equal("127.0.0.6", "127.0.0.7");
        ports.Should().OnlyContain(p => p.HostPort != 0 && p.ExecutorPort == 80);
    }

    [Fact]
    public async Task A_host_port_that_is_taken_is_refused_and_leaves_nothing()
    {
        using var listener = new TcpListener(IPAddress.Loopback, 0);
        listener.Start();
        var port = ((IPEndPoint)listener.LocalEndpoint).Port;
        var request = Request(Hanging()) with { Network = new NetworkSpec { Ports = [new PortMapping { ExecutorPort = 80, HostPort = port }] } };
        (await RefusalAsync(ErrorCode.ResourcesUnavailable, request)).Message.Should().Contain(port.ToString());
    }

    [Fact]
    public async Task The_host_has_a_name_and_the_name_servers_are_those_asked_for()
    {
        var request = Request(Shell("grep host.docker.internal /etc/hosts; cat /etc/resolv.conf")) with
        {
            Network = new NetworkSpec { Mode = NetworkMode.Bridge, GatewayIp = "192.0.2.7", Dns = ["192.0.2.53", "192.0.2.54"] },
        };
        var output = (await RunAsync(request)).Stdout.Text;
        output.Should().MatchRegex("192\\.0\\.2\\.7\\s+host\\.docker\\.internal").And.Contain("nameserver 192.0.2.53").And.Contain("nameserver 192.0.2.54");
    }

    [Fact]
    public async Task The_host_is_the_gateway_of_the_bridge_unless_the_request_names_another()
    {
        var request = Request(Shell("grep host.docker.internal /etc/hosts; ip route")) with { Network = new NetworkSpec { Mode = NetworkMode.Bridge } };
        var lines = (await RunAsync(request)).Stdout.Text.Split('\n');
        var gateway = lines.Single(l => l.StartsWith("default via ", StringComparison.Ordinal)).Split(' ')[2];
        lines[0].Should().StartWith(gateway);
    }

    [Fact]
    public async Task Without_a_network_there_is_no_way_out_and_no_name_of_the_host()
    {
        var result = await RunAsync(Request(Shell("ip route; grep host.docker.internal /etc/hosts; ls /sys/class/net")));
        result.Stdout.Text.Should().Be("lo\n");
    }

    [Fact]
    public async Task Ports_on_the_hosts_network_are_refused()
    {
        var request = Request(Shell("true")) with { Network = new NetworkSpec { Mode = NetworkMode.Host, Ports = [new PortMapping { ExecutorPort = 80 }] } };
        var error = await RefusalAsync(ErrorCode.InvalidRequest, request, new DockerOptions { Policy = new DockerPolicy { AllowHostNetwork = true } });
        error.Problems.Should().ContainSingle(p => p.Field == "network.ports");
    }

    private static int FreePort()
    {
        using var udp = new UdpClient(new IPEndPoint(IPAddress.Loopback, 0));
        return ((IPEndPoint)udp.Client.LocalEndPoint!).Port;
    }

    private async Task<string> ReadTcpAsync(PortMapping port)
    {
        using var client = new TcpClient();
        await client.ConnectAsync(IPAddress.Parse(port.HostIp!), port.HostPort, Token);
        using var reader = new StreamReader(client.GetStream());
        return await reader.ReadToEndAsync(Token);
    }
}
