using System.Net;
using System.Net.Sockets;
using System.Text;

namespace Ergon.Conformance;

/// <summary>What an execution can reach, and who can reach it.</summary>
public abstract class NetworkConformance(ConformanceFixture fixture) : ConformanceTests(fixture)
{
    [Fact]
    public async Task Without_asking_a_job_has_no_network_but_itself()
    {
        if (!Can.Networks.Contains(NetworkMode.None)) return;
        (await RunAsync(PrintInterfaces())).Stdout.Text.Trim().Should().Be("lo");
    }

    [Fact]
    public async Task A_job_without_network_cannot_connect_to_the_host()
    {
        var request = Request(Exit(0)) with { Network = new NetworkSpec { Mode = NetworkMode.None } };
        if (await IsRefusedAsync(NetworkMode.None, request)) return;
        using var listener = new TcpListener(IPAddress.Loopback, 0);
        listener.Start();
        var port = ((IPEndPoint)listener.LocalEndpoint).Port;
        (await RunAsync(request with { EngineSpec = Fixture.Spec(new TestJob { Steps = [Connect("127.0.0.1", port)] }) })).ExitCode.Should().Be(68);
        listener.Pending().Should().BeFalse();
    }

    [Fact]
    public async Task A_job_on_the_network_of_the_host_reaches_its_loopback()
    {
        using var server = new Greeter(IPAddress.Loopback, "hello from the host", Token);
        var request = Request(Connect("127.0.0.1", server.Port)) with { Network = new NetworkSpec { Mode = NetworkMode.Host } };
        if (await IsRefusedAsync(NetworkMode.Host, request)) return;
        var result = await RunAsync(request);
        result.ExitCode.Should().Be(0);
        result.Stdout.Text.Should().Be("hello from the host");
    }

    [Fact]
    public async Task A_job_on_a_bridge_reaches_the_host_by_name()
    {
        var request = Request(Exit(0)) with { Network = new NetworkSpec { Mode = NetworkMode.Bridge } };
        if (await IsRefusedAsync(NetworkMode.Bridge, request)) return;
        Assert.SkipWhen(Fixture.HostName is null, "The host has no name on this backend's bridge.");
        using var server = new Greeter(IPAddress.Any, "hello from the host", Token);
        var job = new TestJob { Steps = [Connect(Fixture.HostName, server.Port)] };
        var result = await RunAsync(request with { EngineSpec = Fixture.Spec(job) });
        result.Stdout.Text.Should().Be("hello from the host");
    }

    [Fact]
    public async Task Host_ports_lead_into_the_execution()
    {
        var request = Request(Together([Listen(7001, "one")], [Listen(7002, "two")])) with
        {
            Network = new NetworkSpec { Ports = [new PortMapping { ExecutorPort = 7001 }, new PortMapping { ExecutorPort = 7002, HostIp = "127.0.0.1" }] },
        };
        if (await IsRefusedAsync(NetworkMode.Bridge, request)) return;
        var id = await StartAsync(request);
        var ports = (await Executor.GetStatusAsync(id, Token)).Ports;
        ports.Select(p => p.ExecutorPort).Should().Equal(7001, 7002);
        ports.Should().OnlyContain(p => p.HostPort > 0);
        (await ReadReplyAsync(ports[0].HostPort)).Should().Be("one");
        (await ReadReplyAsync(ports[1].HostPort)).Should().Be("two");
        (await WaitAsync(id)).ExitCode.Should().Be(0);
    }

    [Fact]
    public async Task A_given_host_port_is_taken()
    {
        var port = FreePort();
        var request = Request(Listen(7001, "here")) with
        {
            Network = new NetworkSpec { Mode = NetworkMode.Bridge, Ports = [new PortMapping { HostPort = port, ExecutorPort = 7001 }] },
        };
        if (await IsRefusedAsync(NetworkMode.Bridge, request)) return;
        await StartAsync(request);
        (await ReadReplyAsync(port)).Should().Be("here");
    }

    [Fact]
    public async Task A_host_port_that_is_in_use_fails_the_start_and_leaves_no_trace()
    {
        if (!Can.Networks.Contains(NetworkMode.Bridge)) return;
        using var listener = new TcpListener(IPAddress.Loopback, 0);
        listener.Start();
        var request = Track(Request(Exit(0)) with
        {
            Network = new NetworkSpec { Ports = [new PortMapping { HostPort = ((IPEndPoint)listener.LocalEndpoint).Port, ExecutorPort = 7001 }] },
        });
        var error = await Assert.ThrowsAsync<ExecutorException>(() => Executor.StartAsync(request, Token));
        error.Code.Should().BeOneOf(ErrorCode.ResourcesUnavailable, ErrorCode.BackendFailed);
        await Refusal(ErrorCode.ExecutionNotFound, () => Executor.GetStatusAsync(request.ExecutionId, Token));
        (await RunAsync(Request(Exit(2)) with { ExecutionId = request.ExecutionId })).ExitCode.Should().Be(2);
    }

    private async Task<bool> IsRefusedAsync(NetworkMode mode, ExecutionRequest request)
    {
        if (Can.Networks.Contains(mode)) return false;
        await RefusedRequest(request, "network", ErrorCode.NotSupported);
        return true;
    }

    /// <summary>The job may not listen yet, so that the connection is refused, or cut by what forwards it.</summary>
    private async Task<string> ReadReplyAsync(int port)
    {
        while (true)
        {
            try
            {
                using var client = new TcpClient();
                await client.ConnectAsync(IPAddress.Loopback, port, Token);
                using var reader = new StreamReader(client.GetStream());
                var reply = await reader.ReadToEndAsync(Token);
                if (reply.Length > 0) return reply;
            }
            catch (Exception e) when (e is IOException or SocketException)
            {
            }

            await Task.Delay(TimeSpan.FromMilliseconds(50), TimeProvider.System, Token);
        }
    }

    private static int FreePort()
    {
        using var listener = new TcpListener(IPAddress.Loopback, 0);
        listener.Start();
        return ((IPEndPoint)listener.LocalEndpoint).Port;
    }

    private sealed class Greeter : IDisposable
    {
        private readonly TcpListener _listener;

        public Greeter(IPAddress address, string greeting, CancellationToken cancellationToken)
        {
            _listener = new TcpListener(address, 0);
            _listener.Start();
            _ = GreetAsync(greeting, cancellationToken);
        }

        public int Port => ((IPEndPoint)_listener.LocalEndpoint).Port;

        public void Dispose() => _listener.Dispose();

        private async Task GreetAsync(string greeting, CancellationToken cancellationToken)
        {
            try
            {
                using var client = await _listener.AcceptTcpClientAsync(cancellationToken);
                await client.GetStream().WriteAsync(Encoding.UTF8.GetBytes(greeting), cancellationToken);
            }
            catch (Exception e) when (e is SocketException or OperationCanceledException or ObjectDisposedException)
            {
                // Nobody came.
            }
        }
    }
}
