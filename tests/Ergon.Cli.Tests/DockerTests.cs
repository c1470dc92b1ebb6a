using System.Diagnostics;
using System.Net;
using System.Net.Sockets;

namespace Ergon.Cli.Tests;

public sealed class DockerTests
{
    private const string Variable = "ERGON_TEST_DOCKER_HOST";

    [Fact]
    public async Task A_job_with_an_image_runs_in_a_container()
    {
        var outcome = await InContainer("sh", "-c", "cat /proc/1/cgroup >/dev/null; [ -e /bin/busybox ] && printf out; printf err >&2; exit 42").RunAsync();

        outcome.Text.Should().Be("out");
        outcome.Error.Should().Be("err");
        outcome.ExitCode.Should().Be(42);
    }

    [Fact]
    public async Task Ctrl_C_stops_a_container()
    {
        await using var running = InContainer("sh", "-c", "trap 'echo bye; exit 0' TERM; echo ready; while :; do sleep 0.05; done").Start();

        await running.ReadUntilAsync("ready\n");
        running.Send(Signal.Interrupt);

        var outcome = await running.WaitAsync();
        outcome.Text.Should().Be("ready\nbye\n");
        outcome.ExitCode.Should().Be(130);
    }

    [Fact]
    public async Task Ctrl_C_during_a_pull_ends_it_at_once_and_leaves_nothing()
    {
        using var temp = new ScratchDirectory();
        using var silentRegistry = new TcpListener(IPAddress.Loopback, 0);
        silentRegistry.Start();
        var image = $"{silentRegistry.LocalEndpoint}/image:1";
        await using var running = new ErgonCommand("run", "--image", image, "--", "true") { Environment = Host() }.With("TMPDIR", temp.FullPath).Start();
        using var pulling = await silentRegistry.AcceptSocketAsync(TestContext.Current.CancellationToken);

        running.Send(Signal.Interrupt);

        var begun = Stopwatch.StartNew();
        var outcome = await running.WaitAsync();
        outcome.ExitCode.Should().Be(130);
        outcome.Text.Should().BeEmpty();
        outcome.Error.Should().BeEmpty();
        begun.Elapsed.Should().BeLessThan(TimeSpan.FromSeconds(10));
        temp.Entries.Should().BeEmpty();
    }

    [Fact]
    public async Task An_image_that_does_not_exist_is_an_error_of_ergons()
    {
        var outcome = await new ErgonCommand("run", "--image", "no-such-image:ever", "--pull", "never", "--", "true") { Environment = Host() }.RunAsync();

        outcome.ExitCode.Should().Be(125);
        outcome.Error.Should().StartWith("ergon: ").And.Contain("no-such-image:ever");
    }

    [Fact]
    public async Task An_Engine_that_does_not_answer_is_an_error_of_ergons_with_its_remedy()
    {
        var outcome = await new ErgonCommand("run", "--image", "busybox", "--", "true")
        {
            Environment = { ["DOCKER_HOST"] = "unix:///no/such/docker.sock" },
        }.RunAsync();

        outcome.ExitCode.Should().Be(125);
        outcome.Error.Should().StartWith("ergon: ").And.Contain("/no/such/docker.sock").And.Contain("no such socket").And.Contain("systemctl start docker");
    }

    private static ErgonCommand InContainer(params string[] command) =>
        new(["run", "--image", "busybox", "--", .. command]) { Environment = Host() };

    private static Dictionary<string, string?> Host()
    {
        var host = Environment.GetEnvironmentVariable(Variable);
        Assert.SkipWhen(string.IsNullOrEmpty(host), $"There is no Docker Engine: {Variable} is not set.");
        return new() { ["DOCKER_HOST"] = host };
    }
}
