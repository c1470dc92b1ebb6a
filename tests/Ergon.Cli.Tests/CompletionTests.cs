using System.Diagnostics;

namespace Ergon.Cli.Tests;

public sealed class CompletionTests
{
    [Theory]
    [InlineData("ergon r", "run")]
    [InlineData("ergon run --mem", "--memory")]
    [InlineData("ergon run --network br", "bridge")]
    public async Task Bash_completes_the_command_line(string line, string expected)
    {
        using var scratch = new ScratchDirectory();
        File.CreateSymbolicLink(Path.Combine(scratch.FullPath, "ergon"), ErgonCommand.File);

        // What bash does when TAB is pressed.
        var completed = await BashAsync(scratch.FullPath, """
            set -eu
            eval "$(ergon completion bash)"
            COMP_LINE=$1 COMP_POINT=${#1}
            read -ra COMP_WORDS <<< "$1"
            COMP_CWORD=$((${#COMP_WORDS[@]} - 1))
            _ergon
            printf '%s\n' "${COMPREPLY[@]}"
            """, line);

        completed.Split('\n', StringSplitOptions.RemoveEmptyEntries).Should().Contain(expected);
    }

    [Theory]
    [InlineData("bash")]
    [InlineData("zsh")]
    [InlineData("fish")]
    public async Task The_script_is_one_that_the_shell_can_read(string shell)
    {
        Assert.SkipUnless(
            Environment.GetEnvironmentVariable("PATH")!.Split(':').Any(d => File.Exists(Path.Combine(d, shell))), $"There is no {shell} here.");
        using var scratch = new ScratchDirectory();
        var script = scratch.Write("script", (await new ErgonCommand("completion", shell).RunAsync()).Text);

        using var checker = System.Diagnostics.Process.Start(shell, ["-n", script]);
        await checker.WaitForExitAsync(TestContext.Current.CancellationToken);

        checker.ExitCode.Should().Be(0);
    }

    [Fact]
    public async Task A_shell_that_is_not_known_is_refused()
    {
        var outcome = await new ErgonCommand("completion", "tcsh").RunAsync();

        outcome.ExitCode.Should().Be(125);
        outcome.Error.Should().Contain("tcsh").And.Contain("bash");
    }

    private static async Task<string> BashAsync(string path, string script, string line)
    {
        var info = new ProcessStartInfo("bash", ["--norc", "-c", script, "bash", line]) { RedirectStandardOutput = true, UseShellExecute = false };
        info.Environment["PATH"] = $"{path}:{info.Environment["PATH"]}";
        using var bash = System.Diagnostics.Process.Start(info)!;
        var text = await bash.StandardOutput.ReadToEndAsync(TestContext.Current.CancellationToken);
        await bash.WaitForExitAsync(TestContext.Current.CancellationToken);
        return text;
    }
}
