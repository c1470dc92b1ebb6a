namespace Ergon.Cli.Tests;

/// <summary>The commands of a daemon's operator, before a daemon.</summary>
public sealed class OperationTests : IAsyncLifetime
{
    private const int Stop = 19;
    private const int Continue = 18;

    private readonly ScratchDirectory _directory = new();
    private RunningErgon _daemon = null!;

    public async ValueTask InitializeAsync()
    {
        _daemon = new ErgonCommand("serve", "--socket", Socket, "--data", Path.Combine(_directory.FullPath, "data"), "--config", Settings, "--set", "executors=process").Start();
        await _daemon.ReadUntilAsync("Listening");
    }

    public async ValueTask DisposeAsync()
    {
        _daemon.Send(Signal.Terminate);
        await _daemon.WaitAsync();
        await _daemon.DisposeAsync();
        _directory.Dispose();
    }

    [Fact]
    public async Task A_node_is_drained_before_it_is_left()
    {
        var id = (await RunAsync("start", "--executor", "process", "--", "sleep", "1000")).Text.Trim();
        var late = await RunAsync("drain", "--timeout", "50ms");
        late.ExitCode.Should().Be(124);
        late.Error.Should().Contain("1 have not ended in time");

        var refused = await RunAsync("start", "--executor", "process", "--", "true");
        refused.ExitCode.Should().Be(125);
        refused.Error.Should().Contain("drained");
        var drained = RunAsync("drain");
        await RunAsync("cancel", id);
        (await drained).ExitCode.Should().Be(0);

        (await RunAsync("drain", "--undo")).ExitCode.Should().Be(0);
        (await RunAsync("run", "--executor", "process", "--", "true")).ExitCode.Should().Be(0);
        (await RunAsync("cleanup")).ExitCode.Should().Be(0);
    }

    [Fact]
    public async Task Settings_are_read_again_all_of_them_or_none()
    {
        await File.WriteAllTextAsync(Settings, """{ "policy": { "engines": ["docker"] }, "on_shutdown": "cancel" }""", TestContext.Current.CancellationToken);
        var reload = await RunAsync("reload");
        reload.ExitCode.Should().Be(0, reload.Error);
        reload.Text.Should().Be("changed: policy.engines\nneeds a restart: on_shutdown\n");
        (await RunAsync("run", "--executor", "process", "--", "true")).Error.Should().Contain("policy");

        await File.WriteAllTextAsync(Settings, """{ "policy": { "engines": ["proces"] }, "persist_logs": "soon" }""", TestContext.Current.CancellationToken);
        var failed = await RunAsync("reload");
        failed.ExitCode.Should().Be(125);
        failed.Error.Should().Contain("- persist_logs: is \"soon\"").And.Contain("the former ones hold");
        (await RunAsync("run", "--executor", "process", "--", "true")).Error.Should().Contain("policy");
    }

    [Fact]
    public async Task The_doctor_asks_the_daemon_that_is_in_use()
    {
        var healthy = await RunAsync("doctor");
        healthy.ExitCode.Should().Be(0, healthy.Error);
        healthy.Text.Should().Contain("process: works").And.NotContain("docker", "the daemon has no other executor");
        await RunAsync("drain");
        (await RunAsync("doctor")).Error.Should().Contain("takes no new executions since");
        await RunAsync("drain", "--undo");
    }

    [Fact]
    public async Task A_follower_that_is_stopped_holds_up_nobody_and_misses_nothing()
    {
        const int bytes = 64 << 20;
        var id = (await RunAsync("start", "--executor", "process", "--", "sh", "-c", $"trap 'head -c {bytes} /dev/zero; exit 3' USR1; echo begin; while :; do sleep 0.05; done")).Text.Trim();
        await using var stopped = Follow();
        await stopped.ReadUntilAsync("begin");
        stopped.Send(new Signal(Stop));
        var before = MemoryOf(_daemon.Id);

        await RunAsync("signal", id, "SIGUSR1");
        (await RunAsync("wait", id)).ExitCode.Should().Be(3);
        (await RunAsync("logs", id)).Output.Should().HaveCount(bytes + "begin\n".Length);
        (MemoryOf(_daemon.Id) - before).Should().BeLessThan(bytes, "what a reader does not take stays on the disk");

        stopped.Send(new Signal(Continue));
        var rest = await stopped.WaitAsync();
        rest.ExitCode.Should().Be(0, rest.Error);
        rest.Output.Should().HaveCount(bytes + "begin\n".Length);

        RunningErgon Follow() => new ErgonCommand("logs", "-f", id).With("ERGON_HOST", $"unix://{Socket}").Start();
    }

    // The memory that a process has for itself.
    private static long MemoryOf(int process) => 1024 * long.Parse(
        File.ReadLines($"/proc/{process}/status").First(l => l.StartsWith("RssAnon:", StringComparison.Ordinal)).Split(' ', StringSplitOptions.RemoveEmptyEntries)[1],
        System.Globalization.CultureInfo.InvariantCulture);

    private string Socket => Path.Combine(_directory.FullPath, "ergon.sock");

    private string Settings => File.Exists(Path.Combine(_directory.FullPath, "daemon.json")) ? Path.Combine(_directory.FullPath, "daemon.json") : _directory.Write("daemon.json", "{}");

    private Task<Outcome> RunAsync(params string[] arguments) => new ErgonCommand(arguments).With("ERGON_HOST", $"unix://{Socket}").RunAsync();
}
