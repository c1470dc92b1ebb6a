using Ergon.Linux;
using Ergon.Process.Native;

namespace Ergon.Process.Tests;

/// <summary>A machine with nothing but the v2 hierarchy: a job waits at a gate until it is in its cgroup.</summary>
public sealed class UnifiedCgroupTests : ProcessTests
{
    public UnifiedCgroupTests()
    {
        SkipWithoutRoot();
        Assert.SkipWhen(Unified().V2 is null, "There is no v2 hierarchy here.");
        Assert.SkipUnless(SpawnGate.IsSupported, "This kernel does not list the children of a thread.");
    }

    private protected override ProcessDriver CreateDriver() =>
        DriverOn(async events => await Protections.DetectAsync(events) with { Cgroups = CgroupFactory.Detect(Unified()) });

    [Fact]
    public async Task A_job_is_in_its_cgroup_from_its_first_instruction()
    {
        var request = Script("grep ^0:: /proc/self/cgroup");
        (await OutputAsync(request)).Should().EndWith($"/ergon-kept/{ExecutorId}/{request.ExecutionId}\n");
    }

    [Fact]
    public async Task A_command_that_does_not_exist_is_known_at_the_gate()
    {
        (await RunAsync(Request("no-such-command"))).ExitCode.Should().Be(127);
        (await RunAsync(Request("/etc/passwd"))).ExitCode.Should().Be(126);
    }

    [Fact]
    public async Task Many_jobs_pass_their_gates_at_the_same_time()
    {
        var results = await Task.WhenAll(Enumerable.Range(0, 30).Select(i => RunAsync($"exit {i}")));
        results.Select(r => r.ExitCode).Should().Equal(Enumerable.Range(0, 30));
    }

    [Fact]
    public async Task A_job_is_paused_resumed_and_killed_while_paused()
    {
        var id = await StartAndWaitForOutputAsync(Script("sleep 1000 & echo begins; wait"));
        await Executor.PauseAsync(id, Token);
        await Executor.ResumeAsync(id, Token);
        await Executor.PauseAsync(id, Token);
        await Executor.CancelAsync(id, Token);
        (await Executor.WaitAsync(id, Token)).Reason.Should().Be(TerminationReason.Cancelled);
    }

    [Fact]
    public async Task Resource_use_is_read()
    {
        var id = await StartAndWaitForOutputAsync(Script("i=0; while [ $i -lt 20000 ]; do i=$((i+1)); done; echo begins; sleep 1000"));
        await foreach (var sample in Executor.GetStatsAsync(id, Token))
        {
            sample.CpuTime.Should().BePositive();
            break;
        }

        await Executor.CancelAsync(id, Token);
    }

    private static CgroupHierarchies Unified() => CgroupHierarchies.ReadOwn() with { V1 = new Dictionary<string, string>() };
}
