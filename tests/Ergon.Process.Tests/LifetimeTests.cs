using Ergon.Linux;
using Ergon.Process.Native;
using Ergon.Process.Sandboxing;

namespace Ergon.Process.Tests;

/// <summary>Nothing outlives its execution.</summary>
public sealed class LifetimeTests : ProcessTests
{
    public LifetimeTests() => SkipWithoutRoot();

    [Theory]
    [InlineData("running")]
    [InlineData("paused")]
    public async Task A_job_that_nobody_can_find_again_dies_with_the_program_that_runs_it(string state)
    {
        var executorId = $"killed-{Guid.NewGuid():n}";
        var request = Script("sleep 1000 & echo started; wait");
        using var events = new KernelEvents();
        using (var program = await TestHost.StartAsync(executorId, null, request, state, Token))
        {
            await program.SaysAsync("the job runs");
            HostView.ProcessesOf(executorId, request.ExecutionId).Should().HaveCountGreaterThanOrEqualTo(2);
            var init = HostView.InitOf(executorId, request.ExecutionId);
            init.Should().NotBeNull();
            await program.KillAsync();
            await OtherProcess.WaitForEndAsync(init.Value, events, Token);
        }

        HostView.ProcessesOf(executorId, request.ExecutionId).Should().BeEmpty();
        Sandbox.Keepers.Find(executorId).Should().BeEmpty();
        // The empty cgroup goes with the next program.
        (await Protections.DetectAsync(events)).Cgroups.IsUsable.Should().BeTrue();
        HostView.Leftovers([executorId]).Should().BeEmpty();
    }

    [Fact]
    public async Task A_program_that_was_started_with_SIGCHLD_ignored_runs_jobs_as_well()
    {
        // dash and busybox do not hand an ignored SIGCHLD on; bash does.
        using var child = await TestHost.StartAsync(
            $"ignored-{Guid.NewGuid():n}", NewDirectory(), Script("echo started; exit 7"), "ended", Token, "bash", "-c", "trap '' CHLD; exec \"$@\"", "bash");
        await child.SaysAsync("Exited 7");
        await child.EndsAsync();
    }

    [Fact]
    public async Task Daemons_die_with_the_job()
    {
        var request = Script("(setsid sh -c 'setsid sleep 1000 & setsid sleep 1000' >/dev/null 2>&1 </dev/null &) ; (nohup sleep 1000 >/dev/null 2>&1 &); sleep 0.1; echo done");
        (await RunAsync(request)).Stdout.Text.Should().Be("done\n");
        HostView.ProcessesOf(ExecutorId, request.ExecutionId).Should().BeEmpty();
    }

    [Fact]
    public async Task A_daemon_that_holds_the_output_does_not_hold_the_result()
    {
        var result = await RunAsync("sleep 1000 & echo done");
        (result.Stdout.Text, result.ExitCode).Should().Be(("done\n", 0));
    }

    [Fact]
    public async Task A_fork_bomb_meets_the_limit_of_processes_and_is_killed()
    {
        // The shell becomes the last command: it could start no process for it any more.
        var request = Script("bomb() { bomb | bomb & }; echo begins; bomb; exec sleep 1000") with { Resources = new Resources { Pids = 40 } };
        var id = await StartAndWaitForOutputAsync(request);
        await Executor.CancelAsync(id, Token);
        (await Executor.WaitAsync(id, Token)).Reason.Should().Be(TerminationReason.Cancelled);
        HostView.ProcessesOf(ExecutorId, id).Should().BeEmpty();
    }

    [Fact]
    public async Task A_paused_job_can_be_killed()
    {
        var id = await StartAndWaitForOutputAsync(Script("sleep 1000 & echo begins; wait"));
        await Executor.PauseAsync(id, Token);
        await Executor.CancelAsync(id, Token);
        (await Executor.WaitAsync(id, Token)).Reason.Should().Be(TerminationReason.Cancelled);
    }

    [Fact]
    public async Task A_job_whose_sandbox_was_killed_was_killed_externally()
    {
        var id = await StartAndWaitForOutputAsync(Script("echo begins; sleep 1000"));
        OtherProcess.Signal(HostView.InitOf(ExecutorId, id)!.Value, 9);
        (await Executor.WaitAsync(id, Token)).Reason.Should().Be(TerminationReason.KilledExternally);
    }
}
