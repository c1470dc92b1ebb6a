using System.Text;
using Ergon.Conformance;
using Ergon.Runc.Tests.Conformance;
using static Ergon.Runc.Tests.TestImages;

namespace Ergon.Runc.Tests;

/// <summary>What shuts a job in, however it is started.</summary>
public sealed class ContainmentTests(RuncFixture fixture) : RuncTests(fixture)
{
    // To make a user namespace takes no right but the filter's.
    private const string Forbidden = "unshare -U true 2>&1; grep ^Seccomp: /proc/self/status; grep ^NoNewPrivs: /proc/self/status; grep ^CapEff: /proc/self/status";
    private const string Refused = "unshare: unshare(0x10000000): Operation not permitted\nSeccomp:\t2\nNoNewPrivs:\t1\nCapEff:\t0000000000000000\n";

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task A_forbidden_system_call_fails(bool init) => (await OutputAsync(Forbidden, s => s with { Init = init })).Should().Be(Refused);

    [Fact]
    public async Task A_forbidden_system_call_fails_in_scripts_and_in_further_commands()
    {
        var request = Request("sleep 60") with { ProvisionScripts = [new ProvisionScript { Name = "try", Content = Encoding.UTF8.GetBytes(Forbidden) }] };
        await Executor.StartAsync(request, Token);
        await Executor.WaitForOutputAsync(request.ExecutionId, Refused, Token);
        await using var session = await Executor.ExecAsync(request.ExecutionId, new ExecRequest { Command = ["sh", "-c", Forbidden] }, Token);
        using var reader = new StreamReader(session.StandardOutput);
        (await reader.ReadToEndAsync(Token)).Should().Be(Refused);
    }

    [Fact]
    public async Task A_job_is_not_spared_when_the_host_runs_out_of_memory() =>
        int.Parse(await OutputAsync("cat /proc/self/oom_score_adj")).Should().BeGreaterThanOrEqualTo(0);

    [Fact]
    public async Task Nothing_that_a_request_puts_in_the_way_starts_a_job_without_its_filter()
    {
        // Once, the first program of a container and its filter lay at a path.
        var mine = Directory.CreateDirectory(Path.Combine(Scratch, "mine")).FullName;
        await File.WriteAllTextAsync(Path.Combine(mine, "init"), "#!/bin/sh\necho taken\n", Token);
        File.SetUnixFileMode(Path.Combine(mine, "init"), (UnixFileMode)0x1ED);
        var request = Request(Forbidden, s => s with { Image = Image(Layer(Link("x", "/dev/ergon"))) }) with
        {
            Inputs = [new StorageVolume { Source = mine, Target = "/x", ReadOnly = true }],
        };
        (await OutputAsync(request)).Should().Be(Refused);
    }

    [Fact]
    public async Task A_job_without_an_init_is_the_first_process_and_ends_as_itself()
    {
        var result = await RunAsync(Request("echo $$; exit 7", s => s with { Init = false }));
        (result.Stdout.Text, result.ExitCode, result.Reason).Should().Be(("1\n", 7, TerminationReason.Exited));
        var missing = await RunAsync(Request("", s => s with { Init = false, Cmd = ["/no/such/program"] }));
        missing.ExitCode.Should().Be(127);
    }

    [Fact]
    public async Task A_job_without_an_init_that_does_not_listen_is_killed_when_it_is_cancelled()
    {
        var request = Request("echo ready; sleep 60", s => s with { Init = false });
        await Executor.StartAsync(request, Token);
        await Executor.WaitForOutputAsync(request.ExecutionId, "ready\n", Token);
        await Executor.CancelAsync(request.ExecutionId, Token);
        (await Executor.WaitAsync(request.ExecutionId, Token)).Reason.Should().Be(TerminationReason.Cancelled);
    }

    [Fact]
    public async Task Who_may_not_be_root_must_give_a_number_that_is_none_of_roots()
    {
        await using var executor = RuncExecutor.Create(Options with { Policy = Options.Policy with { AllowRootUser = false } });
        foreach (var user in (string?[])[null, "root", "0", "00", "nobody", "+1000", " 1000", "1000 "])
        {
            var error = await Assert.ThrowsAsync<ExecutorException>(() => executor.StartAsync(Request("id -u", s => s with { User = user }), Token));
            error.Problems.Should().ContainSingle().Which.Kind.Should().Be(RequestProblemKind.Forbidden, user);
        }

        (await executor.RunAsync(Request("id -u", s => s with { User = "1000" }), Token)).Stdout.Text.Should().Be("1000\n");
    }
}
