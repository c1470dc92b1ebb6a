namespace Ergon.Conformance;

/// <summary>Scripts that prepare an execution from the inside.</summary>
public abstract class ProvisioningConformance(ConformanceFixture fixture) : ConformanceTests(fixture)
{
    [Fact]
    public async Task Scripts_run_in_order_before_the_command()
    {
        var result = await RunAsync(Request(Print("command\n"), Exit(4)) with
        {
            ProvisionScripts = [Script("second-by-name", Print("first script\n")), Script("a-first-by-name", Print("second script\n"))],
        });
        result.Stdout.Text.Should().Be("first script\nsecond script\ncommand\n");
        result.ExitCode.Should().Be(4);
    }

    [Fact]
    public async Task What_a_script_writes_is_there_for_the_command() =>
        (await RunAsync(Request(ReadFile("/tmp/prepared")) with { ProvisionScripts = [Script("prepare", WriteFile("/tmp/prepared", "by the script"))] }))
            .Stdout.Text.Should().Be("by the script");

    [Fact]
    public async Task A_script_that_fails_ends_the_execution_with_its_code_and_name()
    {
        var result = await RunAsync(Request(Print("never")) with
        {
            ProvisionScripts =
            [
                Script("good", Print("good ran\n")), Script("bad", PrintError("no space\n"), Exit(9)), Script("later", Print("never")),
            ],
        });
        result.Status.Should().Be(ExecutionStatus.Failed);
        result.Reason.Should().Be(TerminationReason.Exited);
        result.ExitCode.Should().Be(9);
        result.Error.Should().Contain("bad");
        result.Stdout.Text.Should().Be("good ran\n");
        result.Stderr.Text.Should().Be("no space\n");
    }

    [Fact]
    public async Task A_script_sees_the_environment_of_the_job() =>
        (await RunAsync(Request(Exit(0)) with
        {
            Environment = new Dictionary<string, string> { ["NAME"] = "value" },
            ProvisionScripts = [Script("look", PrintVariable("NAME"))],
        })).Stdout.Text.Should().Be("[value]\n");

    [Fact]
    public async Task The_command_behaves_as_without_scripts()
    {
        var job = new TestJob { Steps = [PrintArguments(), PrintWorkingDirectory(), Exit(6)], Arguments = ["", "a b"], WorkingDirectory = "/etc" };
        var result = await RunAsync(Request(job) with { ProvisionScripts = [Script("nothing", Exit(0))] });
        result.Stdout.Text.Should().Be("[]\n[a b]\n/etc\n");
        result.ExitCode.Should().Be(6);
    }

    [Fact]
    public async Task A_signal_reaches_a_job_that_was_provisioned()
    {
        var id = await StartAsync(Request(WaitForSignal(Signal.User1), Exit(3)) with { ProvisionScripts = [Script("nothing", Exit(0))] });
        await Executor.WaitForOutputAsync(id, "waiting\n", Token);
        await Executor.SignalAsync(id, Signal.User1, Token);
        (await WaitAsync(id)).ExitCode.Should().Be(3);
    }

    private ProvisionScript Script(string name, params Step[] steps) => new() { Name = name, Content = Fixture.Script(steps) };
}
