using System.Diagnostics;
using Ergon.MicroVm.Tests.Conformance;

namespace Ergon.MicroVm.Tests.Guests;

/// <summary>Machines that wait for their job.</summary>
public sealed class WarmMachineTests(QemuFixture fixture) : MachineTests(fixture)
{
    private static readonly WarmMachineOptions Always = new() { Always = true, MaxIdle = 1 };

    [Theory]
    [InlineData("microvm")]
    [InlineData("q35")]
    public async Task A_job_in_a_machine_that_waited_ends_as_in_one_of_its_own(string machine)
    {
        await using var executor = NewExecutor(Always);
        var results = Fixture.NewDirectory();
        var input = Fixture.NewDirectory();
        await File.WriteAllTextAsync(Path.Combine(input, "given"), "given\n", Token);
        var request = Request("cat /in/given; echo $GIVEN; hostname; cat /etc/hostname; echo made > /out/file; df -m / | tail -n 1 | awk '{print ($2 < 40)}'; echo err >&2; exit 7", machine) with
        {
            Environment = new Dictionary<string, string> { ["GIVEN"] = "with blank" },
            Inputs = [new StorageVolume { Source = input, Target = "/in", ReadOnly = true }],
            Outputs = [new StorageVolume { Source = "made", Target = "/out" }],
            ResultsDir = results,
            Resources = new Resources { Disk = 32 << 20 },
        };

        var result = await executor.RunAsync(request, Token);

        var hostname = request.ExecutionId.ToHostname();
        (result.ExitCode, result.Reason, result.Stderr.Text).Should().Be((7, TerminationReason.Exited, "err\n"));
        (await executor.FingerprintAsync(Token)).Problems.Should().NotContain(p => p.Problem.Contains("ahead of its job"));
        result.Stdout.Text.Should().Be($"given\nwith blank\n{hostname}\n{hostname}\n1\n");
        (await File.ReadAllTextAsync(Path.Combine(results, "made", "file"), Token)).Should().Be("made\n");
    }

    [Fact]
    public async Task No_machine_serves_two_jobs()
    {
        await using var executor = NewExecutor(Always);
        var boots = new HashSet<string>();

        for (var i = 0; i < 3; i++)
        {
            var result = await executor.RunAsync(Request("ls /left /tmp/left /dev/shm/left 2>/dev/null; touch /left /tmp/left /dev/shm/left; head -c 16 /dev/urandom | md5sum"), Token);
            result.ExitCode.Should().Be(0);
            boots.Add(result.Stdout.Text).Should().BeTrue("each has chance of its own");
        }
    }

    [Fact]
    public async Task A_machine_that_ended_while_it_waited_is_replaced()
    {
        await using var executor = NewExecutor(new WarmMachineOptions { MaxIdle = 1 });
        await MakeOneWaitAsync(executor);
        foreach (var (id, _) in HostView.MachinesOf(ExecutorId)) Process.GetProcessById(id).Kill();

        var result = await executor.RunAsync(Request("exit 5"), Token);

        result.ExitCode.Should().Be(5);
    }

    [Fact]
    public async Task What_is_asked_for_once_has_none_waiting_and_the_executors_end_is_theirs()
    {
        await using (var executor = NewExecutor(new WarmMachineOptions { MaxIdle = 1 }))
        {
            await executor.RunAsync(Request("true"), Token);
            (await WaitingAsync(executor)).Should().Be(0);
            HostView.MachinesOf(ExecutorId).Should().BeEmpty();
            await MakeOneWaitAsync(executor);
            HostView.MachinesOf(ExecutorId).Should().ContainSingle();
        }

        HostView.Leftovers([ExecutorId]).Should().BeEmpty();
    }

    [Fact]
    public async Task A_later_process_finds_the_job_and_removes_what_waited()
    {
        var request = Request("i=0; while [ $i -lt 40 ]; do echo out $i; i=$((i+1)); sleep 0.05; done; exit 7");
        using (var host = ExecutorHost.Start(Fixture, warm: true, ExecutorId, Data, Request("exit 3"), request))
        {
            (await host.StandardOutput.ReadLineAsync(Token)).Should().Be("started");
            // The second job has another machine made, which is to wait.
            await UntilAsync(() => HostView.MachinesOf(ExecutorId).Count >= 2);
            host.Kill();
            await host.WaitForExitAsync(Token);
        }

        await using var second = NewExecutor(null);
        await second.RecoverAsync(Token);
        HostView.MachinesOf(ExecutorId).Count.Should().BeLessThanOrEqualTo(1, "only the one of the job is kept");
        var result = await second.WaitAsync(request.ExecutionId, Token);
        (result.ExitCode, result.Stdout.Text).Should().Be((7, string.Concat(Enumerable.Range(0, 40).Select(i => $"out {i}\n"))));
    }

    // The second job tells that there will be more.
    private async Task MakeOneWaitAsync(Executor executor)
    {
        for (var i = 0; i < 2; i++) await executor.RunAsync(Request("true"), Token);
        while (await WaitingAsync(executor) < 1) await Task.Delay(Look, TimeProvider.System, Token);
    }

    private static async Task<int> WaitingAsync(Executor executor) =>
        int.Parse((await executor.FingerprintAsync(Token)).Details["warm_machines"].Split(' ')[0], System.Globalization.CultureInfo.InvariantCulture);

    private Executor NewExecutor(WarmMachineOptions? warm) => NewExecutor(Fixture.Options with { WarmMachines = warm });
}
