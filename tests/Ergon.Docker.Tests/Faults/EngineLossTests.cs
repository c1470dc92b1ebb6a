using System.Diagnostics;
using Docker.DotNet.Models;
using Ergon.Conformance;

namespace Ergon.Docker.Tests.Faults;

/// <summary>The Engine goes away under a running job.</summary>
public sealed class EngineLossTests : DockerTests
{
    [Fact]
    public async Task An_engine_that_does_not_come_back_loses_the_job_soon()
    {
        await using var engine = await OwnEngine.StartAsync(Token);
        var executor = NewExecutor(new DockerOptions { Endpoint = engine.Endpoint, ReconnectTimeout = TimeSpan.FromSeconds(1) });
        var request = Request(Hanging());
        await executor.StartAsync(request, Token);
        await executor.WaitForOutputAsync(request.ExecutionId, "ready\n", Token);
        await engine.KillAsync(Token);

        var clock = Stopwatch.StartNew();
        var result = await executor.WaitAsync(request.ExecutionId, Token);
        clock.Elapsed.Should().BeLessThan(TimeSpan.FromSeconds(20));
        result.Reason.Should().Be(TerminationReason.BackendLost);
        result.Status.Should().Be(ExecutionStatus.Failed);
        result.Killed.Should().BeTrue();
        result.ExitCode.Should().Be(-1);
        result.Stdout.Text.Should().Be("ready\n");
        result.Error.Should().Contain("did not come back within 1s");

        var error = await Assert.ThrowsAsync<ExecutorException>(() => executor.StartAsync(Request(Hanging()), Token));
        error.Code.Should().Be(ErrorCode.BackendUnavailable);
        error.Message.Should().Contain("systemctl start docker");
    }

    [Fact]
    public async Task A_job_that_outlives_the_engines_restart_is_picked_up_again()
    {
        await using var engine = await OwnEngine.StartAsync(Token, "--live-restore");
        var executor = NewExecutor(new DockerOptions { Endpoint = engine.Endpoint });
        // What the Engine has in its memory when it is killed is lost with it: nothing is written then.
        var request = Request(Shell("i=0; while [ $i -lt 100 ]; do echo err $i >&2; echo out $i; i=$((i+1)); [ $i != 6 ] || sleep 5; sleep 0.05; done; exit 42"));
        await executor.StartAsync(request, Token);
        await executor.WaitForOutputAsync(request.ExecutionId, "out 5\n", Token);
        await engine.KillAsync(Token);
        await engine.StartAgainAsync(Token);

        var result = await executor.WaitAsync(request.ExecutionId, Token);
        result.Reason.Should().Be(TerminationReason.Exited);
        result.ExitCode.Should().Be(42);
        result.Stdout.Text.Should().Be(string.Concat(Enumerable.Range(0, 100).Select(i => $"out {i}\n")));
        result.Stderr.Text.Should().Be(string.Concat(Enumerable.Range(0, 100).Select(i => $"err {i}\n")));
        (await TestEngine.ContainersOfAsync(executor.ExecutorId, engine.Endpoint, Token)).Should().BeEmpty();
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task Output_goes_on_while_the_job_runs_once_the_engine_is_back_also_in_the_middle_of_a_line(bool killed)
    {
        await using var engine = await OwnEngine.StartAsync(Token, "--live-restore");
        var executor = NewExecutor(new DockerOptions { Endpoint = engine.Endpoint });
        var directory = NewDirectory();
        var request = Request(Shell("echo first; echo err >&2; printf abc; until [ -e /data/go ]; do sleep 0.05; done; echo defgh; echo again; until [ -e /data/end ]; do sleep 0.05; done; exit 4")) with
        {
            Inputs = [new StorageVolume { Source = directory, Target = "/data" }],
        };
        await executor.StartAsync(request, Token);
        await executor.WaitForOutputAsync(request.ExecutionId, "first\nabc", Token);
        await (killed ? engine.KillAsync(Token) : engine.ShutDownAsync(Token));
        await engine.StartAgainAsync(Token);
        await File.WriteAllTextAsync(Path.Combine(directory, "go"), "", Token);
        await executor.WaitForOutputAsync(request.ExecutionId, "again\n", Token);
        await File.WriteAllTextAsync(Path.Combine(directory, "end"), "", Token);

        var result = await executor.WaitAsync(request.ExecutionId, Token);
        result.ExitCode.Should().Be(4);
        result.Stdout.Text.Should().Be("first\nabcdefgh\nagain\n");
        result.Stderr.Text.Should().Be("err\n");
    }

    [Fact]
    public async Task A_job_that_ends_while_the_engine_is_away_has_its_true_end()
    {
        await using var engine = await OwnEngine.StartAsync(Token, "--live-restore");
        var executor = NewExecutor(new DockerOptions { Endpoint = engine.Endpoint });
        var directory = NewDirectory();
        var request = Request(Shell("echo ready; until [ -e /data/go ]; do sleep 0.05; done; touch /data/gone; exit 9")) with
        {
            Inputs = [new StorageVolume { Source = directory, Target = "/data" }],
        };
        await executor.StartAsync(request, Token);
        await executor.WaitForOutputAsync(request.ExecutionId, "ready\n", Token);
        await engine.KillAsync(Token);
        await File.WriteAllTextAsync(Path.Combine(directory, "go"), "", Token);
        while (!File.Exists(Path.Combine(directory, "gone"))) await Task.Delay(TimeSpan.FromMilliseconds(20), TimeProvider.System, Token);
        await engine.StartAgainAsync(Token);

        var result = await executor.WaitAsync(request.ExecutionId, Token);
        result.Stdout.Text.Should().Be("ready\n");
        result.Error.Should().Contain("while the Docker Engine was away");
        result.Reason.Should().Be(TerminationReason.Exited);
        result.ExitCode.Should().Be(9);
    }

    [Fact]
    public async Task An_engine_that_kills_its_containers_when_it_restarts_has_lost_the_job()
    {
        await using var engine = await OwnEngine.StartAsync(Token);
        var executor = NewExecutor(new DockerOptions { Endpoint = engine.Endpoint });
        var request = Request(Hanging());
        await executor.StartAsync(request, Token);
        await executor.WaitForOutputAsync(request.ExecutionId, "ready\n", Token);
        await engine.KillAsync(Token);
        await engine.StartAgainAsync(Token);

        var result = await executor.WaitAsync(request.ExecutionId, Token);
        result.Reason.Should().Be(TerminationReason.BackendLost);
        result.Error.Should().Contain("live-restore");
        (await TestEngine.ContainersOfAsync(executor.ExecutorId, engine.Endpoint, Token)).Should().BeEmpty();
    }

    [Fact]
    public async Task An_engine_that_is_shut_down_has_not_let_the_job_exit()
    {
        await using var engine = await OwnEngine.StartAsync(Token);
        var executor = NewExecutor(new DockerOptions { Endpoint = engine.Endpoint, ReconnectTimeout = TimeSpan.FromSeconds(1) });
        var request = Request(Shell("echo ready; sleep 1000"));
        await executor.StartAsync(request, Token);
        await executor.WaitForOutputAsync(request.ExecutionId, "ready\n", Token);
        await engine.ShutDownAsync(Token);
        var result = await executor.WaitAsync(request.ExecutionId, Token);
        result.Reason.Should().BeOneOf(TerminationReason.KilledExternally, TerminationReason.BackendLost);
        result.Stdout.Text.Should().Be("ready\n");
    }

    [Fact]
    public async Task A_container_removed_past_the_executor_was_killed_externally()
    {
        var executor = NewExecutor();
        var request = Request(Hanging());
        await executor.StartAsync(request, Token);
        await executor.WaitForOutputAsync(request.ExecutionId, "ready\n", Token);
        using (var client = TestEngine.Connect())
            await client.Containers.RemoveContainerAsync(ContainerSpec.NameOf(executor.ExecutorId, request.ExecutionId), new ContainerRemoveParameters { Force = true }, Token);
        var result = await executor.WaitAsync(request.ExecutionId, Token);
        result.Reason.Should().Be(TerminationReason.KilledExternally);
        result.Stdout.Text.Should().Be("ready\n");
    }

    [Fact]
    public async Task A_container_stopped_past_the_executor_was_killed_externally()
    {
        var executor = NewExecutor();
        var request = Request(Hanging());
        await executor.StartAsync(request, Token);
        await executor.WaitForOutputAsync(request.ExecutionId, "ready\n", Token);
        using (var client = TestEngine.Connect())
            await client.Containers.StopContainerAsync(ContainerSpec.NameOf(executor.ExecutorId, request.ExecutionId), new ContainerStopParameters { WaitBeforeKillSeconds = 1 }, Token);
        var result = await executor.WaitAsync(request.ExecutionId, Token);
        result.Reason.Should().Be(TerminationReason.KilledExternally);
    }
}
