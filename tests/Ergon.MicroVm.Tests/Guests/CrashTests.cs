using System.Diagnostics;
using Ergon.Conformance;
using Ergon.MicroVm.Tests.Conformance;

namespace Ergon.MicroVm.Tests.Guests;

/// <summary>Whatever dies, the reason is right and nothing is left.</summary>
public sealed class CrashTests(QemuFixture fixture) : MachineTests(fixture)
{
    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    public async Task A_process_that_is_killed_while_it_starts_a_job_leaves_it_whole_or_not_at_all(int step)
    {
        var request = Request("echo out; echo err >&2; exit 7");
        using (var host = StartHost(request))
        {
            // The directory of the execution, its machine, and the job are there, one after the other.
            await UntilAsync(() => step switch
            {
                0 => true,
                1 => Directory.Exists(Path.Combine(Data, ExecutorId, request.ExecutionId.Value)),
                2 => HostView.MachineOf(ExecutorId, request.ExecutionId) is not null,
                _ => Directory.EnumerateFiles(Data, "started", SearchOption.AllDirectories).Any(),
            });
            host.Kill();
            await host.WaitForExitAsync(Token);
        }

        await using var second = NewExecutor();
        await second.RecoverAsync(Token);
        foreach (var info in await second.ListAsync(cancellationToken: Token))
        {
            var result = await second.WaitAsync(info.ExecutionId, Token);
            (result.ExitCode, result.Stdout.Text, result.Stderr.Text).Should().Be((7, "out\n", "err\n"));
            await second.RemoveAsync(info.ExecutionId, TimeSpan.FromSeconds(30), Token);
        }

        HostView.MachinesOf(ExecutorId).Should().BeEmpty();
    }

    [Fact]
    public async Task A_process_that_is_killed_while_its_job_runs_leaves_it_to_the_next()
    {
        var request = Request("i=0; while [ $i -lt 40 ]; do echo out $i; echo err $i >&2; i=$((i+1)); sleep 0.05; done; exit 7");
        using (var host = StartHost(request))
        {
            (await host.StandardOutput.ReadLineAsync(Token)).Should().Be("started");
            host.Kill();
            await host.WaitForExitAsync(Token);
        }

        await using var second = NewExecutor();
        await second.RecoverAsync(Token);
        var result = await second.WaitAsync(request.ExecutionId, Token);
        (result.ExitCode, result.Stdout.Text, result.Stderr.Text).Should().Be((7, Lines("out"), Lines("err")));

        static string Lines(string word) => string.Concat(Enumerable.Range(0, 40).Select(i => $"{word} {i}\n"));
    }

    [Fact]
    public async Task A_machine_that_is_killed_while_it_is_prepared_fails_the_start_or_its_job()
    {
        await using var executor = NewExecutor();
        var request = Request("sleep 1000");
        var start = executor.StartAsync(request, Token);
        await UntilAsync(() => HostView.MachineOf(ExecutorId, request.ExecutionId) is not null);
        Process.GetProcessById(HostView.MachineOf(ExecutorId, request.ExecutionId)!.Value).Kill();
        try
        {
            // A machine that begins as a copy may be through before it is killed; one that is killed while its state is loaded boots again.
            await start;
            if (HostView.MachineOf(ExecutorId, request.ExecutionId) is not null) await executor.CancelAsync(request.ExecutionId, Token);
            (await executor.WaitAsync(request.ExecutionId, Token)).Reason.Should().BeOneOf(TerminationReason.KilledExternally, TerminationReason.Cancelled);
            await executor.RemoveAsync(request.ExecutionId, TimeSpan.FromSeconds(30), Token);
        }
        catch (ExecutorException e)
        {
            e.Code.Should().Be(ErrorCode.BackendFailed);
        }

        (await executor.ListAsync(cancellationToken: Token)).Should().BeEmpty();
        HostView.MachinesOf(ExecutorId).Should().BeEmpty();
    }

    [Fact]
    public async Task A_machine_that_ends_while_nobody_watches_is_a_lost_backend()
    {
        var request = Request("echo before; sleep 1000");
        await using (var first = NewExecutor())
        {
            await first.StartAsync(request, Token);
            await first.WaitForOutputAsync(request.ExecutionId, "before\n", Token);
        }

        var machine = Process.GetProcessById(HostView.MachineOf(ExecutorId, request.ExecutionId)!.Value);
        machine.Kill();
        await UntilAsync(() => HostView.MachineOf(ExecutorId, request.ExecutionId) is null);
        await using var second = NewExecutor();
        await second.RecoverAsync(Token);
        var result = await second.WaitAsync(request.ExecutionId, Token);
        (result.Reason, result.Stdout.Text).Should().Be((TerminationReason.BackendLost, "before\n"));
    }

    [Fact]
    public async Task A_machine_that_was_left_paused_may_be_resumed_whenever_one_likes()
    {
        var request = Request("echo before; sleep 1; echo after; exit 7");
        await using (var first = NewExecutor())
        {
            await first.StartAsync(request, Token);
            await first.WaitForOutputAsync(request.ExecutionId, "before\n", Token);
            await first.PauseAsync(request.ExecutionId, Token);
        }

        // A paused guest answers nobody: that must not count as one that does not come up in time.
        var patience = TimeSpan.FromSeconds(3);
        await using var second = NewExecutor(patience);
        await second.RecoverAsync(Token);
        await Task.Delay(patience + TimeSpan.FromSeconds(2), TimeProvider.System, Token);
        (await second.GetStatusAsync(request.ExecutionId, Token)).Status.Should().Be(ExecutionStatus.Paused);
        await second.ResumeAsync(request.ExecutionId, Token);
        var result = await second.WaitAsync(request.ExecutionId, Token);
        (result.ExitCode, result.Stdout.Text).Should().Be((7, "before\nafter\n"));
    }

    private Executor NewExecutor(TimeSpan? bootTimeout = null) => NewExecutor(Fixture.Options with { BootTimeout = bootTimeout ?? Fixture.Options.BootTimeout });

    private Process StartHost(ExecutionRequest request) => ExecutorHost.Start(Fixture, warm: false, ExecutorId, Data, request);
}
