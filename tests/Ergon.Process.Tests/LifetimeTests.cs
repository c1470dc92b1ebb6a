using Ergon.Linux;

namespace Ergon.Process.Tests;

/// <summary>Nothing outlives its execution, and no execution outlives its executor.</summary>
public sealed class LifetimeTests : ProcessTests
{
    public LifetimeTests() => SkipWithoutRoot();

    [Theory]
    [InlineData("running")]
    [InlineData("paused")]
    public async Task A_job_dies_with_the_program_that_runs_it(string state)
    {
        var (executorId, id, directory) = ($"killed-{Guid.NewGuid():n}", ExecutionId.New(), NewDirectory());
        using var program = System.Diagnostics.Process.Start(new System.Diagnostics.ProcessStartInfo(
            "dotnet", [Path.Combine(AppContext.BaseDirectory, "Ergon.Process.TestProgram.dll"), executorId, directory, id.Value, state, "sh", "-c", "sleep 1000 & echo started; wait"])
        {
            RedirectStandardOutput = true,
            UseShellExecute = false,
        })!;
        (await program.StandardOutput.ReadLineAsync(Token)).Should().Be("the job runs");
        var processes = HostView.ProcessesOf(executorId, id);
        processes.Should().HaveCountGreaterThanOrEqualTo(2);
        var init = HostView.InitOf(executorId, id);
        init.Should().NotBeNull();

        program.Kill();
        await program.WaitForExitAsync(Token);
        using var events = new KernelEvents();
        await OtherProcess.WaitForEndAsync(init.Value, events, Token);
        HostView.ProcessesOf(executorId, id).Should().BeEmpty();

        await using (var next = ProcessExecutor.Create(executorOptions: new ExecutorOptions { ExecutorId = executorId, DataDirectory = directory }))
        {
            await next.RecoverAsync(Token);
            (await next.WaitAsync(id, Token)).Reason.Should().Be(TerminationReason.BackendLost);
            await next.CleanupAsync(Token);
        }

        HostView.Leftovers([executorId]).Should().BeEmpty();
    }

    [Fact]
    public async Task A_program_that_was_started_with_SIGCHLD_ignored_runs_jobs_as_well()
    {
        var (executorId, id, directory) = ($"ignored-{Guid.NewGuid():n}", ExecutionId.New(), NewDirectory());
        var program = Path.Combine(AppContext.BaseDirectory, "Ergon.Process.TestProgram.dll");
        // dash and busybox do not hand an ignored SIGCHLD on; bash does.
        using var child = System.Diagnostics.Process.Start(new System.Diagnostics.ProcessStartInfo(
            "bash", ["-c", "trap '' CHLD; exec \"$@\"", "bash", "dotnet", program, executorId, directory, id.Value, "ended", "sh", "-c", "echo started; exit 7"])
        {
            RedirectStandardOutput = true,
            UseShellExecute = false,
        })!;
        (await child.StandardOutput.ReadToEndAsync(Token)).Should().Be("Exited 7\n");
        await child.WaitForExitAsync(Token);
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
        var request = Script("bomb() { bomb | bomb & }; echo begins; bomb; sleep 1000") with { Resources = new Resources { Pids = 40 } };
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
