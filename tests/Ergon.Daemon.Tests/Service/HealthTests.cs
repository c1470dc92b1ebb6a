using System.Net;
using Ergon.Docker;
using Grpc.Core;
using Grpc.Health.V1;
using Grpc.Reflection.V1Alpha;
using Status = Grpc.Health.V1.HealthCheckResponse.Types.ServingStatus;

namespace Ergon.Daemon.Tests.Service;

/// <summary>What is told of the daemon's health, and of each executor's; a Docker Engine is not there.</summary>
public sealed class HealthTests : IAsyncLifetime
{
    private RunningDaemon _daemon = null!;

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    public async ValueTask InitializeAsync() => _daemon = await RunningDaemon.StartAsync(o => o with
    {
        Executors = ["docker", "process"], Docker = new DockerOptions { Endpoint = new Uri("unix:///no/such/docker.sock") },
    });

    public ValueTask DisposeAsync() => _daemon.DisposeAsync();

    [Theory]
    [InlineData("/livez", HttpStatusCode.OK)]
    [InlineData("/readyz", HttpStatusCode.OK)]
    [InlineData("/readyz/process", HttpStatusCode.OK)]
    [InlineData("/readyz/docker", HttpStatusCode.ServiceUnavailable)]
    [InlineData("/readyz/nothing", HttpStatusCode.NotFound)]
    public async Task Over_http(string path, HttpStatusCode expected) => (await _daemon.SendAsync(HttpMethod.Get, path)).Status.Should().Be(expected);

    [Fact]
    public async Task Over_grpc()
    {
        using var channel = _daemon.Channel();
        var health = new Health.HealthClient(channel);
        (await CheckAsync("")).Should().Be(Status.Serving);
        (await CheckAsync("ergon.v1.ExecutorService")).Should().Be(Status.Serving);
        (await CheckAsync("process")).Should().Be(Status.Serving);
        (await CheckAsync("docker")).Should().Be(Status.NotServing);
        (await Assert.ThrowsAsync<RpcException>(() => CheckAsync("nothing"))).StatusCode.Should().Be(StatusCode.NotFound);

        async Task<Status> CheckAsync(string service) => (await health.CheckAsync(new HealthCheckRequest { Service = service }, cancellationToken: Token)).Status;
    }

    [Fact]
    public async Task Who_watches_is_told_of_each_change()
    {
        using var channel = _daemon.Channel();
        using var watch = new Health.HealthClient(channel).Watch(new HealthCheckRequest(), cancellationToken: Token);
        (await NextAsync()).Should().Be(Status.Serving);
        await _daemon.SendAsync(HttpMethod.Post, "/v1/drain");
        (await NextAsync()).Should().Be(Status.NotServing);
        await _daemon.SendAsync(HttpMethod.Delete, "/v1/drain");
        (await NextAsync()).Should().Be(Status.Serving);

        async Task<Status> NextAsync()
        {
            (await watch.ResponseStream.MoveNext(Token)).Should().BeTrue();
            return watch.ResponseStream.Current.Status;
        }
    }

    [Fact]
    public async Task What_is_served_over_grpc_is_described()
    {
        using var channel = _daemon.Channel();
        using var call = new ServerReflection.ServerReflectionClient(channel).ServerReflectionInfo(cancellationToken: Token);
        await call.RequestStream.WriteAsync(new ServerReflectionRequest { ListServices = "" }, Token);
        (await call.ResponseStream.MoveNext(Token)).Should().BeTrue();
        call.ResponseStream.Current.ListServicesResponse.Service.Select(s => s.Name).Should().BeEquivalentTo("ergon.v1.ExecutorService", "grpc.health.v1.Health");
        await call.RequestStream.WriteAsync(new ServerReflectionRequest { FileContainingSymbol = "ergon.v1.ExecutorService" }, Token);
        (await call.ResponseStream.MoveNext(Token)).Should().BeTrue();
        call.ResponseStream.Current.FileDescriptorResponse.FileDescriptorProto.Should().NotBeEmpty();
        await call.RequestStream.CompleteAsync();
    }
}
