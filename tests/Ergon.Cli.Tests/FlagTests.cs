using static Ergon.Cli.Tests.OutputTests;

namespace Ergon.Cli.Tests;

public sealed class FlagTests
{
    [Fact]
    public async Task Variables_are_set_or_taken_from_the_own_environment()
    {
        var command = Sh("echo \"$A|$B|${C-unset}\"", "-e", "A=1=2", "-e", "B", "-e", "C");

        (await command.With("B", "own").With("C", null).RunAsync()).Text.Should().Be("1=2|own|unset\n");
    }

    [Fact]
    public async Task Volumes_may_be_relative_and_read_only()
    {
        using var scratch = new ScratchDirectory();
        scratch.CreateDirectory("data");
        scratch.Write("data/in", "hello");
        var command = Sh("cat /ro/in; echo x > /ro/new || echo refused; echo y > /rw/new", "-v", "./data:/ro:ro", "-v", "data:/rw");

        var outcome = await (command with { WorkingDirectory = scratch.FullPath }).RunAsync();

        outcome.Text.Should().Be("hellorefused\n");
        scratch.Read("data/new").Should().Be("y\n");
    }

    [Fact]
    public async Task Outputs_and_the_result_end_in_the_results_directory()
    {
        using var scratch = new ScratchDirectory();
        var command = Sh("echo line; echo data > /out/file; exit 4", "-o", "made:/out", "--results", "results");

        await (command with { WorkingDirectory = scratch.FullPath }).RunAsync();

        scratch.Read("results/made/file").Should().Be("data\n");
        scratch.Read("results/stdout").Should().Be("line\n");
        scratch.Read("results/exit_code").Trim().Should().Be("4");
        ErgonJson.ParseResult(System.Text.Encoding.UTF8.GetBytes(scratch.Read("results/result.json"))).ExitCode.Should().Be(4);
    }

    [Fact]
    public async Task Outputs_without_a_results_directory_end_in_one_of_the_execution_here_and_ergon_says_where()
    {
        using var scratch = new ScratchDirectory();
        var command = Sh("echo data > /out/file", "-o", "made:/out", "--id", "run-1");

        var outcome = await (command with { WorkingDirectory = scratch.FullPath }).RunAsync();

        scratch.Read("ergon-results/run-1/made/file").Should().Be("data\n");
        outcome.Error.Should().Contain("ergon-results/run-1");
    }

    [Fact]
    public async Task The_job_starts_in_the_directory_and_as_the_user_that_were_asked_for()
    {
        Assert.SkipUnless(Environment.IsPrivilegedProcess, "Only root may run jobs as others.");

        (await Sh("pwd; id -u", "-w", "/usr", "--user", "12345").RunAsync()).Text.Should().Be("/usr\n12345\n");
    }

    [Fact]
    public async Task The_entrypoint_comes_before_the_command() =>
        (await new ErgonCommand("run", "--executor", "process", "--entrypoint", "echo", "--", "a", "b").RunAsync()).Text.Should().Be("a b\n");

    [Fact]
    public async Task Everything_that_is_wrong_is_said_at_once_and_ergon_ends_with_125()
    {
        var outcome = await Sh("echo never", "--memory", "lots", "--cpus", "-1x", "--timeout", "30", "-p", "80", "-v", "nothing", "-e", "=x", "--id", "a b").RunAsync();

        outcome.ExitCode.Should().Be(125);
        outcome.Output.Should().BeEmpty();
        foreach (var flag in new[] { "--memory", "--cpus", "--timeout", "-p", "-v", "-e", "--id" }) outcome.Error.Should().Contain($"- {flag}: ");
    }

    [Theory]
    [InlineData("--memroy=1g", "--memory")]
    [InlineData("--image=busybox", "--image")]
    [InlineData("--pull=always", "--pull")]
    [InlineData("--network=bridges", "bridge")]
    [InlineData("--gpus=65", "at most 64")]
    public async Task A_flag_that_cannot_be_honoured_is_refused_with_what_to_do(string flag, string hint)
    {
        var outcome = await Sh("echo never", flag).RunAsync();

        outcome.ExitCode.Should().Be(125);
        outcome.Output.Should().BeEmpty();
        outcome.Error.Should().StartWith("ergon: ").And.Contain(hint);
    }

    [Fact]
    public async Task A_word_that_is_no_flag_of_ergon_is_named()
    {
        var outcome = await new ErgonCommand("rum", "--", "true").RunAsync();

        outcome.ExitCode.Should().Be(125);
        outcome.Error.Should().Contain("rum").And.Contain("run");
    }

    [Fact]
    public async Task A_missing_command_is_missed()
    {
        var outcome = await new ErgonCommand("run", "--executor", "process").RunAsync();

        outcome.ExitCode.Should().Be(125);
        outcome.Error.Should().Contain("COMMAND");
    }

    [Fact]
    public async Task Help_shows_every_flag_and_the_exit_codes()
    {
        var outcome = await new ErgonCommand("run", "--help").RunAsync();

        outcome.ExitCode.Should().Be(0);
        foreach (var word in new[] { "--executor", "--image", "--memory", "--stop-grace", "SRC:DST[:ro]", "--results", "124", "125" })
            outcome.Text.Should().Contain(word);
    }

    [Fact]
    public async Task Ergon_alone_shows_its_help()
    {
        var outcome = await new ErgonCommand().RunAsync();

        outcome.ExitCode.Should().Be(0);
        outcome.Text.Should().Contain("run").And.Contain("doctor");
        outcome.Error.Should().BeEmpty();
    }

    [Fact]
    public async Task The_version_is_printed() => (await new ErgonCommand("--version").RunAsync()).Text.Should().MatchRegex(@"^\d+\.\d+\.\d+");
}
