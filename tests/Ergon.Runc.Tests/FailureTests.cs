using System.Net;
using System.Net.Sockets;
using Ergon.Linux;
using Ergon.Runc.Tests.Conformance;
using Microsoft.Extensions.Time.Testing;

namespace Ergon.Runc.Tests;

/// <summary>Starts that fail, at every step: each says why, and nothing is left of it.</summary>
public sealed class FailureTests(RuncFixture fixture) : RuncTests(fixture)
{
    private readonly FakeTimeProvider _time = new(DateTimeOffset.UtcNow);

    private string Stub => Path.Combine(Scratch, "runtime");

    private string Began => Path.Combine(Scratch, "began");

    // Each test writes its own; what it does not do itself, the real one does.
    private protected override RuncOptions Options => Fixture.Options with { Runtime = Stub };

    private protected override TimeProvider Time => _time;

    [Theory]
    [InlineData("exit 3", "it ended with exit code 3, without a word")]
    [InlineData("kill -9 $$", "it was ended by SIGKILL")]
    [InlineData("echo '{\"level\":\"error\",\"msg\":\"no room left\"}' > $log; exit 1", "no room left")]
    [InlineData("echo 'not JSON' > $log; exit 1", "not JSON")]
    [InlineData("exit 0", "find the first process")]
    public async Task A_runtime_that_fails(string does, string why)
    {
        WriteStub(does);
        (await RefusalAsync(Request("true"), ErrorCode.BackendFailed)).Message.Should().Contain(why);
    }

    [Fact]
    public async Task A_runtime_that_is_not_there() =>
        (await RefusalAsync(Request("true"), ErrorCode.BackendUnavailable)).Message.Should().Contain("was not found").And.Contain("apt-get install runc");

    [Fact]
    public async Task A_runtime_that_hangs_is_found_out()
    {
        WriteStub("touch $began; sleep 1000");
        var start = RefusalAsync(Request("true"), ErrorCode.BackendFailed);
        await BeganAsync();
        _time.Advance(TimeSpan.FromSeconds(61));
        (await start).Message.Should().Contain("runtime did not end within 60 s");
    }

    [Fact]
    public async Task A_start_that_is_given_up_while_the_runtime_is_at_it()
    {
        WriteStub("touch $began; sleep 1000");
        using var cancelled = new CancellationTokenSource();
        var request = Request("true");
        var start = Executor.StartAsync(request, cancelled.Token);
        await BeganAsync();
        await cancelled.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => start);
        HostView.CgroupsOf(ExecutorId, request.ExecutionId).Should().BeEmpty();
        HostView.KeeperOf(ExecutorId, request.ExecutionId).Should().BeNull();
    }

    [Fact]
    public async Task More_starts_than_run_at_one_time_each_give_their_turn_to_the_next()
    {
        var many = (4 * Environment.ProcessorCount) + 4;
        WriteStub("exit 3");
        await Task.WhenAll(Enumerable.Range(0, many).Select(_ => Assert.ThrowsAsync<ExecutorException>(() => Executor.StartAsync(Request("true"), Token))));
        WriteStub("exec runc \"$@\"");

        (await Executor.RunAsync(Request("exit 5"), Token)).ExitCode.Should().Be(5);
    }

    [Fact]
    public async Task A_keeper_that_is_killed_while_the_runtime_is_at_it_ends_the_start()
    {
        WriteStub("touch $began; sleep 1000");
        var request = Request("true");
        var start = RefusalAsync(request, ErrorCode.BackendFailed);
        await BeganAsync();
        OtherProcess.Signal(HostView.KeeperOf(ExecutorId, request.ExecutionId)!.Value, 9);
        await start;
    }

    [Fact]
    public async Task A_command_that_the_runtime_does_not_start_is_found_out_and_the_job_goes_on()
    {
        WriteStub("case \"$*\" in *' exec '*) touch $began; sleep 1000;; *) exec runc \"$@\";; esac");
        var request = Request("while [ ! -e /go ]; do sleep 0.05; done; exit 4") with { Timeouts = new Timeouts() };
        await Executor.StartAsync(request, Token);
        var exec = Executor.ExecAsync(request.ExecutionId, new ExecRequest { Command = ["true"] }, Token);
        await BeganAsync();
        _time.Advance(TimeSpan.FromSeconds(61));
        (await Assert.ThrowsAsync<ExecutorException>(() => exec)).Message.Should().Contain("did not start it within 60 s");
        Directory.GetFiles(Path.Combine(Scratch, "data"), "exec-*", SearchOption.AllDirectories).Should().BeEmpty();
        WriteStub("exec runc \"$@\"");
        await using (var session = await Executor.ExecAsync(request.ExecutionId, new ExecRequest { Command = ["touch", "/go"] }, Token)) (await session.WaitAsync(Token)).Should().Be(0);
        (await Executor.WaitAsync(request.ExecutionId, Token)).ExitCode.Should().Be(4);
    }

    [Fact]
    public async Task What_only_the_image_shows_to_be_wrong()
    {
        WriteStub("exec runc \"$@\"");
        (await RefusalAsync(Request("true", s => s with { User = "nobody-of-that-name" }), ErrorCode.InvalidRequest)).Message.Should().Contain("nobody-of-that-name");
        (await RefusalAsync(Request("true", s => s with { WorkingDirectory = "/bin/busybox" }), ErrorCode.InvalidRequest)).Message.Should().Contain("/bin/busybox");
        await RefusalAsync(Request("true") with { Inputs = [new StorageVolume { Source = Scratch, Target = "/proc/x" }] }, ErrorCode.BackendFailed);
    }

    [Fact]
    public async Task A_host_port_that_is_in_use()
    {
        WriteStub("exec runc \"$@\"");
        Assert.SkipUnless(Fixture.Capabilities.Networks.Contains(NetworkMode.Bridge), "There are no bridge networks here.");
        using var listener = new TcpListener(IPAddress.Loopback, 0);
        listener.Start();
        var port = ((IPEndPoint)listener.LocalEndpoint).Port;
        var error = await RefusalAsync(Request("true") with { Network = new NetworkSpec { Ports = [new PortMapping { HostPort = port, ExecutorPort = 80 }] } }, ErrorCode.ResourcesUnavailable);
        error.Message.Should().Contain($"{port}");
    }

    [Fact]
    public async Task A_runtime_that_fails_leaves_no_network()
    {
        WriteStub("exit 3");
        Assert.SkipUnless(Fixture.Capabilities.Networks.Contains(NetworkMode.Bridge), "There are no bridge networks here.");
        await RefusalAsync(Request("true") with { Network = new NetworkSpec { Ports = [new PortMapping { ExecutorPort = 80 }] } }, ErrorCode.BackendFailed);
    }

    // Replaced as a whole: a program that is being written cannot be executed.
    private void WriteStub(string does)
    {
        var path = Path.Combine(Scratch, Guid.NewGuid().ToString("n"));
        File.WriteAllText(path, $"#!/bin/sh\nPATH=/usr/sbin:/usr/bin:/sbin:/bin\nlog=$4\nbegan={Began}\n{does}\n");
        File.SetUnixFileMode(path, (UnixFileMode)0x1ED);
        File.Move(path, Stub, overwrite: true);
    }

    private async Task BeganAsync()
    {
        while (!File.Exists(Began)) await Task.Delay(20, Token);
    }
}
