using Ergon.Linux;
using Ergon.Process.Native;

namespace Ergon.Process.Tests;

/// <summary>A machine on which neither namespaces nor cgroups can be made: jobs run, and nobody pretends.</summary>
public sealed class WithoutSandboxTests : ProcessTests
{
    private protected override ProcessDriver CreateDriver() => DriverOn(_ => Task.FromResult(Nothing));

    private static Protections Nothing => new(
        CgroupFactory.Detect(new CgroupHierarchies(new Dictionary<string, string>(), null, null)), "This is a test.", "Run another one.");

    [Fact]
    public async Task The_fingerprint_names_everything_that_is_missing()
    {
        var fingerprint = await Executor.FingerprintAsync(Token);
        fingerprint.Available.Should().BeTrue();
        fingerprint.Capabilities.Should().BeEquivalentTo(new ExecutorCapabilities { WritableInputs = true, Pause = true, Exec = true, Stats = true, ExactSignals = true, Networks = [NetworkMode.Host] });
        fingerprint.Problems.Should().HaveCount(6).And.OnlyContain(p => p.Remedy.Length > 0);
        fingerprint.Details["sandbox"].Should().Be("none");
        fingerprint.Details["cgroups"].Should().Be("none");
    }

    [Theory]
    [InlineData("echo out; echo err >&2; exit 5", TerminationReason.Exited, 5)]
    [InlineData("echo out; echo err >&2; kill -TERM $$", TerminationReason.Signaled, 143)]
    public async Task A_job_runs_and_its_end_is_known_exactly(string script, TerminationReason reason, int code)
    {
        var result = await RunAsync(script);
        (result.Reason, result.ExitCode, result.Stdout.Text, result.Stderr.Text).Should().Be((reason, code, "out\n", "err\n"));
    }

    [Fact]
    public async Task A_job_has_no_new_privileges_and_a_private_directory_to_work_in()
    {
        var output = await OutputAsync("echo x > written && ls && [ \"$PWD\" = \"$HOME\" ] && [ \"$HOME\" = \"$TMPDIR\" ] && grep -E 'NoNewPrivs|CapEff' /proc/self/status");
        output.Should().StartWith("written\n").And.Contain("CapEff:\t0000000000000000").And.Contain("NoNewPrivs:\t1");
    }

    [Fact]
    public async Task A_command_that_does_not_exist_ends_with_127() => (await RunAsync(Request("no-such-command"))).ExitCode.Should().Be(127);

    [Fact]
    public async Task The_whole_tree_dies_with_the_job_also_what_has_left_its_session()
    {
        var request = Script("(setsid sh -c 'echo $$ ; exec sleep 1000 >/dev/null 2>&1' &); sleep 1000 & echo $!; sleep 0.2");
        var pids = (await OutputAsync(request)).Split('\n', StringSplitOptions.RemoveEmptyEntries).Select(int.Parse).ToList();
        pids.Should().HaveCount(2);
        pids.Should().OnlyContain(id => ProcessTable.Find(id) == null || ProcessTable.Find(id)!.Value.IsExiting);
    }

    [Fact]
    public async Task A_job_is_killed_with_its_tree()
    {
        var id = await StartAndWaitForOutputAsync(Script("trap '' TERM; echo begins; sleep 1000 & wait; sleep 1000"));
        await Executor.CancelAsync(id, Token);
        (await Executor.WaitAsync(id, Token)).Reason.Should().Be(TerminationReason.Cancelled);
    }

    [Fact]
    public async Task A_paused_job_stands_still()
    {
        var id = await StartAndWaitForOutputAsync(Script("echo $$; while :; do :; done"));
        var pid = int.Parse((await FirstOutputAsync(id)).Trim());
        await Executor.PauseAsync(id, Token);
        // A process that runs on another processor stops when it is interrupted there.
        while (ProcessTable.Find(pid)!.Value.State != 'T') await Task.Delay(1, Token);
        await Executor.ResumeAsync(id, Token);
        ProcessTable.Find(pid)!.Value.State.Should().NotBe('T');
        await Executor.CancelAsync(id, Token);
    }

    [Fact]
    public async Task Resource_use_is_added_up_from_the_processes()
    {
        var id = await StartAndWaitForOutputAsync(Script("echo begins; while :; do :; done"));
        await foreach (var sample in Executor.GetStatsAsync(id, Token))
        {
            sample.MemoryBytes.Should().BePositive();
            sample.Pids.Should().BePositive();
            if (sample.CpuTime > TimeSpan.FromMilliseconds(100)) break;
        }

        await Executor.CancelAsync(id, Token);
    }

    [Fact]
    public async Task A_memory_limit_is_one_on_the_address_space()
    {
        Assert.SkipUnless(SpawnGate.IsSupported, "This kernel does not list the children of a thread.");
        var result = await RunAsync(Request("tail", "/dev/zero") with { Resources = new Resources { Memory = 64 << 20 } });
        result.Status.Should().Be(ExecutionStatus.Failed);
        result.Stderr.Text.Should().Contain("memory exhausted");
    }

    [Fact]
    public async Task A_limit_of_processes_is_one_on_the_users_processes()
    {
        Assert.SkipUnless(SpawnGate.IsSupported, "This kernel does not list the children of a thread.");
        SkipWithoutRoot();
        var result = await RunAsync(Script("i=0; while [ $i -lt 60 ]; do sleep 1000 & i=$((i+1)); done; echo all") with { Resources = new Resources { Pids = 20 } });
        result.Stdout.Text.Should().BeEmpty();
        result.ExitCode.Should().NotBe(0);
    }

    [Fact]
    public async Task What_cannot_be_ensured_is_refused_all_at_once()
    {
        var directory = NewDirectory();
        var request = Script("true") with
        {
            Network = new NetworkSpec { Mode = NetworkMode.None },
            Resources = new Resources { Cpu = 1, Disk = 1 << 30 },
            Inputs = [new StorageVolume { Source = directory, Target = "/data" }, new StorageVolume { Source = directory, Target = directory, ReadOnly = true }],
        };
        var error = await Assert.ThrowsAsync<ExecutorException>(() => RunAsync(request));
        error.Code.Should().Be(ErrorCode.NotSupported);
        error.Problems.Select(p => p.Field).Should().BeEquivalentTo("network.mode", "resources.cpu", "resources.disk", "inputs[0].target", "inputs[1].read_only");
    }

    [Fact]
    public async Task An_operator_who_requires_a_sandbox_gets_no_job_without_one()
    {
        var options = new ProcessOptions { RequireSandbox = true };
        await using var strict = new Executor(
            new ProcessDriver(options, new NativeBackend(options, _ => Task.FromResult(Nothing), Microsoft.Extensions.Logging.Abstractions.NullLogger.Instance, TimeProvider.System)),
            new ExecutorOptions { DataDirectory = NewDirectory() });
        (await strict.FingerprintAsync(Token)).Available.Should().BeFalse();
        (await Assert.ThrowsAsync<ExecutorException>(() => strict.RunAsync(Script("true"), Token))).Code.Should().Be(ErrorCode.NotSupported);
    }

    [Fact]
    public async Task A_command_can_be_run_beside_the_job_also_on_a_terminal()
    {
        var id = await StartAndWaitForOutputAsync(Script("echo begins; sleep 1000"));
        await using (var session = await Executor.ExecAsync(id, new ExecRequest { Command = ["sh", "-c", "test -t 0 && stty size; exit 4"], Terminal = new TerminalSize(80, 25) }, Token))
        {
            using var reader = new StreamReader(session.StandardOutput);
            (await reader.ReadToEndAsync(Token)).Should().Contain("25 80");
            (await session.WaitAsync(Token)).Should().Be(4);
        }

        await Executor.CancelAsync(id, Token);
    }

    private async Task<string> FirstOutputAsync(ExecutionId id)
    {
        await foreach (var entry in Executor.GetLogStreamAsync(new LogStreamRequest { ExecutionId = id }, Token)) return System.Text.Encoding.UTF8.GetString(entry.Data.Span);
        return "";
    }
}
