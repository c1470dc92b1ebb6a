using Ergon.Process.Portable;
using Microsoft.Extensions.Logging.Abstractions;

namespace Ergon.Process.Tests;

/// <summary>The plain child process of systems other than Linux, which runs on Linux as well.</summary>
public sealed class PortableTests : ProcessTests
{
    private protected override ProcessDriver CreateDriver() => new(Options, new PortableBackend(Options, NullLogger.Instance));

    [Fact]
    public async Task A_job_runs_with_its_own_environment()
    {
        Environment.SetEnvironmentVariable("ERGON_TEST_SECRET", "secret");
        var result = await RunAsync(Script("echo $NAME; echo err >&2; env; exit 3") with { Environment = new Dictionary<string, string> { ["NAME"] = "välue" } });
        result.ExitCode.Should().Be(3);
        result.Stdout.Text.Should().StartWith("välue\n").And.NotContain("secret");
        result.Stderr.Text.Should().Be("err\n");
    }

    [Fact]
    public async Task A_command_that_does_not_exist_ends_with_127_and_one_that_cannot_be_run_with_126()
    {
        (await RunAsync(Request("no-such-command"))).ExitCode.Should().Be(127);
        (await RunAsync(Request("/etc/passwd"))).ExitCode.Should().Be(126);
    }

    [Fact]
    public async Task Cancelling_kills_the_tree()
    {
        var id = await StartAndWaitForOutputAsync(Script("sleep 1000 & echo begins; wait"));
        await Executor.CancelAsync(id, Token);
        (await Executor.WaitAsync(id, Token)).Reason.Should().Be(TerminationReason.Cancelled);
    }

    [Fact]
    public async Task What_this_system_cannot_do_is_refused_and_the_fingerprint_says_so()
    {
        var fingerprint = await Executor.FingerprintAsync(Token);
        fingerprint.Capabilities.Should().BeEquivalentTo(new ExecutorCapabilities { WritableInputs = true, Networks = [NetworkMode.Host] });
        fingerprint.Problems.Should().ContainSingle();
        var request = Request("true") with
        {
            Network = new NetworkSpec { Mode = NetworkMode.None },
            Resources = new Resources { Cpu = 1, Memory = 1 << 30, Disk = 1 << 30 },
            ProvisionScripts = [new ProvisionScript { Name = "a", Content = "true"u8.ToArray() }],
        };
        var error = await Assert.ThrowsAsync<ExecutorException>(() => RunAsync(request));
        error.Code.Should().Be(ErrorCode.NotSupported);
        error.Problems.Should().HaveCount(5);
        var id = await StartAndWaitForOutputAsync(Script("echo begins; sleep 1000"));
        (await Assert.ThrowsAsync<ExecutorException>(() => Executor.PauseAsync(id, Token))).Code.Should().Be(ErrorCode.NotSupported);
        (await Assert.ThrowsAsync<ExecutorException>(() => Executor.ExecAsync(id, new ExecRequest { Command = ["true"] }, Token))).Code.Should().Be(ErrorCode.NotSupported);
        await Executor.CancelAsync(id, Token);
    }
}
