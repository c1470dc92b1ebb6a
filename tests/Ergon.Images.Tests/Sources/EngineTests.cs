namespace Ergon.Images.Tests.Sources;

/// <summary>Images of a real Docker Engine.</summary>
public sealed class EngineTests : ImageTests
{
    private const string Variable = "ERGON_TEST_DOCKER_HOST";

    private static Uri Engine
    {
        get
        {
            var host = Environment.GetEnvironmentVariable(Variable);
            Assert.SkipUnless(host?.StartsWith("unix://", StringComparison.Ordinal) == true, $"There is no Docker Engine: {Variable} is not set. 'scripts/docker-engine start DIR' starts one.");
            return new Uri(host);
        }
    }

    [Theory]
    [InlineData("busybox")]
    [InlineData("docker-daemon:busybox:latest")]
    public async Task An_image_of_the_engine_is_taken_and_copied_once(string image)
    {
        var store = NewStore(Options with { DockerHost = Engine });
        List<PrepareProgress> progress = [];
        using var lease = await store.GetAsync(image, PullPolicy.Missing, null, p => { lock (progress) progress.Add(p); }, Token);
        lease.Config.Cmd.Should().Equal("sh");
        lease.Config.Env.Should().Contain("PATH=/bin:/sbin:/usr/bin:/usr/sbin");
        var content = await BlockImage.ReadAsync(lease.Path);
        content["bin/sh"].LinkName.Should().Be("busybox");
        content["home/user/"].Uid.Should().Be(1000);
        content["tmp/"].Mode.Should().HaveFlag(UnixFileMode.StickyBit);
        progress.Should().Contain(p => p.Status == "Copying");
        progress.Clear();
        using var again = await store.GetAsync(image, PullPolicy.Never, null, p => { lock (progress) progress.Add(p); }, Token);
        again.Path.Should().Be(lease.Path);
        progress.Should().BeEmpty();
    }

    [Fact]
    public async Task An_image_is_found_by_its_id()
    {
        using var lease = await GetAsync("docker-daemon:busybox", store: NewStore(Options with { DockerHost = Engine }));
        using var http = new HttpClient(new SocketsHttpHandler
        {
            ConnectCallback = async (_, token) =>
            {
                var socket = new System.Net.Sockets.Socket(System.Net.Sockets.AddressFamily.Unix, System.Net.Sockets.SocketType.Stream, System.Net.Sockets.ProtocolType.Unspecified);
                await socket.ConnectAsync(new System.Net.Sockets.UnixDomainSocketEndPoint(Engine.AbsolutePath), token);
                return new System.Net.Sockets.NetworkStream(socket, ownsSocket: true);
            },
        });
        using var description = System.Text.Json.JsonDocument.Parse(await http.GetStringAsync(new Uri("http://docker/images/busybox/json"), Token));
        var id = description.RootElement.GetProperty("Id").GetString();
        using var byId = await GetAsync($"docker-daemon:{id}", store: NewStore(Options with { DockerHost = Engine }));
        byId.Path.Should().Be(lease.Path);
    }

    [Fact]
    public async Task What_the_engine_does_not_have_is_said_so()
    {
        var store = NewStore(Options with { DockerHost = Engine });
        (await RefusalAsync("docker-daemon:no-such-image-anywhere", store: store)).Message.Should().Contain("is not on the Docker Engine");
        (await RefusalAsync("docker-daemon:busybox", platform: "linux/s390x", store: store)).Message.Should().Contain("is not on the Docker Engine for linux/s390x");
    }

    [Fact]
    public async Task An_engine_that_does_not_answer_is_an_error_only_when_it_was_asked_for()
    {
        var error = await Assert.ThrowsAsync<ExecutorException>(() => GetAsync("docker-daemon:busybox"));
        error.Code.Should().Be(ErrorCode.BackendUnavailable);
        error.Message.Should().Contain("no-engine.sock").And.Contain("docker://REFERENCE");
        (await RefusalAsync("127.0.0.1:1/busybox")).Message.Should().Contain("the registry 127.0.0.1:1 cannot be reached");
    }
}
