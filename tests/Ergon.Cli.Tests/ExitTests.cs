using static Ergon.Cli.Tests.OutputTests;

namespace Ergon.Cli.Tests;

public sealed class ExitTests
{
    [Theory]
    [InlineData("exit 0", 0)]
    [InlineData("exit 255", 255)]
    [InlineData("kill -TERM $$", 143)]
    [InlineData("kill -KILL $$", 137)]
    public async Task A_job_that_ends_by_itself_or_by_a_signal_gives_ergon_its_exit_code(string script, int code) =>
        (await Sh(script).RunAsync()).ExitCode.Should().Be(code);

    [Fact]
    public async Task A_command_that_is_not_there_ends_with_127_and_says_so()
    {
        var outcome = await new ErgonCommand("run", "--executor", "process", "--", "no-such-command").RunAsync();

        outcome.ExitCode.Should().Be(127);
        outcome.Error.Should().Contain("no-such-command");
    }

    [Fact]
    public async Task A_command_that_cannot_be_executed_ends_with_126() =>
        (await new ErgonCommand("run", "--executor", "process", "--", "/etc/passwd").RunAsync()).ExitCode.Should().Be(126);

    [Fact]
    public async Task A_job_that_takes_too_long_ends_with_124_and_what_it_wrote_is_shown()
    {
        var outcome = await Sh("echo before; sleep 600", "--timeout", "1s", "--stop-grace", "0s").RunAsync();

        outcome.ExitCode.Should().Be(124);
        outcome.Text.Should().Be("before\n");
        outcome.Error.Should().StartWith("ergon: ");
    }

    [Fact]
    public async Task The_first_Ctrl_C_asks_the_job_to_stop_and_lets_it_say_goodbye()
    {
        await using var running = Sh("trap 'echo bye; exit 0' TERM; echo ready; while :; do sleep 0.05; done", "--stop-grace", "60s").Start();

        await running.ReadUntilAsync("ready\n");
        running.Send(Signal.Interrupt);

        var outcome = await running.WaitAsync();
        outcome.Text.Should().Be("ready\nbye\n");
        outcome.ExitCode.Should().Be(130);
    }

    [Fact]
    public async Task The_second_Ctrl_C_kills_a_job_that_does_not_want_to_stop()
    {
        await using var running = Sh("trap 'echo no' TERM; echo ready; while :; do sleep 0.05; done", "--stop-grace", "10m").Start();

        await running.ReadUntilAsync("ready\n");
        running.Send(Signal.Interrupt);
        await running.ReadUntilAsync("no\n");
        running.Send(Signal.Interrupt);

        (await running.WaitAsync()).ExitCode.Should().Be(130);
    }

    [Fact]
    public async Task The_second_Ctrl_C_kills_also_when_nobody_reads_the_output()
    {
        using var scratch = new ScratchDirectory();
        const string script = "trap 'touch /marks/asked' TERM; echo begins > /marks/ready; while :; do echo yyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyy; done";
        await using var running = Sh(script, "--stop-grace", "10m", "-v", $"{scratch.FullPath}:/marks").Start();

        await scratch.WaitForAsync("ready");
        running.Send(Signal.Interrupt);
        await scratch.WaitForAsync("asked");
        running.Send(Signal.Interrupt);

        (await running.WaitForExitAsync()).Should().Be(130);
    }

    [Fact]
    public async Task A_terminated_ergon_stops_its_job_and_ends_as_terminated()
    {
        await using var running = Sh("echo ready; exec sleep 600").Start();

        await running.ReadUntilAsync("ready\n");
        running.Send(Signal.Terminate);

        (await running.WaitAsync()).ExitCode.Should().Be(143);
    }

    [Fact]
    public async Task A_stopped_job_still_has_its_result_in_JSON()
    {
        using var scratch = new ScratchDirectory();
        await using var running = Sh("touch /out/ready; exec sleep 600", "--json", "-v", $"{scratch.FullPath}:/out").Start();
        await scratch.WaitForAsync("ready");

        running.Send(Signal.Terminate);

        var outcome = await running.WaitAsync();
        outcome.ExitCode.Should().Be(143);
        ErgonJson.ParseResult(outcome.Output).Reason.Should().Be(TerminationReason.Cancelled);
    }

    [Theory]
    [InlineData("exit 3")]
    [InlineData("exec no-such-command")]
    [InlineData("echo x; sleep 600")]
    public async Task Nothing_is_left_behind(string script)
    {
        using var temp = new ScratchDirectory();
        await Sh(script, "--timeout", "1s", "--stop-grace", "0s").With("TMPDIR", temp.FullPath).RunAsync();

        temp.Entries.Should().BeEmpty();
    }

    [Fact]
    public async Task Nothing_is_left_behind_by_a_job_that_was_killed()
    {
        using var temp = new ScratchDirectory();
        await using var running =
            Sh("trap 'echo no' TERM; echo ready; while :; do sleep 0.05; done").With("TMPDIR", temp.FullPath).Start();
        await running.ReadUntilAsync("ready\n");
        running.Send(Signal.Interrupt);
        await running.ReadUntilAsync("no\n");
        running.Send(Signal.Interrupt);
        await running.WaitAsync();

        temp.Entries.Should().BeEmpty();
    }
}
