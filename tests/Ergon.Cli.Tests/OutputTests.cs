namespace Ergon.Cli.Tests;

public sealed class OutputTests
{
    [Fact]
    public async Task The_output_streams_of_a_job_are_those_of_ergon_and_so_is_its_exit_code()
    {
        var outcome = await Sh("printf out; printf err >&2; exit 42").RunAsync();

        outcome.Text.Should().Be("out");
        outcome.Error.Should().Be("err");
        outcome.ExitCode.Should().Be(42);
    }

    [Fact]
    public async Task Every_byte_of_the_output_arrives_as_it_was_written()
    {
        using var scratch = new ScratchDirectory();
        var bytes = new byte[3_000_000];
        new Random(1).NextBytes(bytes);
        await File.WriteAllBytesAsync(Path.Combine(scratch.FullPath, "bytes"), bytes, TestContext.Current.CancellationToken);

        var outcome = await new ErgonCommand("run", "--executor", "process", "-v", $"{scratch.FullPath}:/data:ro", "--", "cat", "/data/bytes").RunAsync();

        outcome.Error.Should().BeEmpty();
        outcome.Output.AsSpan().SequenceEqual(bytes).Should().BeTrue();
    }

    [Fact]
    public async Task Output_is_shown_while_the_job_runs()
    {
        using var scratch = new ScratchDirectory();
        await using var running = new ErgonCommand(
            "run", "--executor", "process", "-v", $"{scratch.FullPath}:/gate:ro", "--",
            "sh", "-c", "echo first; until [ -e /gate/open ]; do sleep 0.02; done; echo last").Start();

        await running.ReadUntilAsync("first\n");
        scratch.Write("open", "");

        (await running.WaitAsync()).Text.Should().Be("first\nlast\n");
    }

    [Fact]
    public async Task A_reader_that_goes_away_ends_the_job_as_it_ends_any_program_in_a_pipe()
    {
        await using var running = Sh("echo here; while echo y; do :; done", "--stop-grace", "1s").Start();

        await running.ReadUntilAsync("here\n");
        running.StopReading();

        (await running.WaitForExitAsync()).Should().Be(128 + 13);
    }

    [Fact]
    public async Task Output_that_goes_to_a_file_stands_between_what_others_write_to_it()
    {
        using var scratch = new ScratchDirectory();

        await ShellAsync($"(echo before; {ErgonCommand.File} run --executor process -- sh -c 'echo out; echo err >&2'; echo after) > {scratch.FullPath}/file 2>&1");

        scratch.Read("file").Should().BeOneOf("before\nout\nerr\nafter\n", "before\nerr\nout\nafter\n");
    }

    [Fact]
    public async Task The_result_is_printed_as_JSON_and_nothing_else_is()
    {
        var outcome = await Sh("printf out; printf '\\377' >&2; exit 3", "--json", "--job-id", "a-job", "--id", "an-execution").RunAsync();

        var result = ErgonJson.ParseResult(outcome.Output);
        outcome.ExitCode.Should().Be(3);
        outcome.Error.Should().BeEmpty();
        outcome.Text.Should().EndWith("}\n");
        result.JobId.Value.Should().Be("a-job");
        result.ExecutionId.Value.Should().Be("an-execution");
        result.ExitCode.Should().Be(3);
        result.Reason.Should().Be(TerminationReason.Exited);
        result.Stdout.Text.Should().Be("out");
        result.Stderr.Bytes.ToArray().Should().Equal(0xFF);
    }

    [Fact]
    public async Task Arguments_reach_the_job_as_they_were_given()
    {
        string[] words = ["", "two words", "häß", "@file", "--json", "$HOME", "*", "-e", "\n"];

        var outcome = await new ErgonCommand(["run", "--executor", "process", "--", "printf", "[%s]", .. words]).RunAsync();

        outcome.Text.Should().Be(string.Concat(words.Select(w => $"[{w}]")));
    }

    [Fact]
    public async Task Diagnostics_are_only_for_a_terminal()
    {
        using var scratch = new ScratchDirectory();
        var run = $"{ErgonCommand.File} run";
        var onTerminal = scratch.Write("on", $"{run} -- true\n{run} --quiet -- true\n{run} --json -- true\n{run} --executor process -- true\n");

        // script(1) gives a terminal; what is shown on it comes out of its stdout.
        var shown = await ShellAsync($"script -qec 'sh {onTerminal}' /dev/null");

        shown.Split("ergon: running with 'process'").Length.Should().Be(2, "only the first run chose and may speak, but this was shown: {0}", shown);
    }

    [Fact]
    public async Task Output_that_a_limit_cuts_off_is_told()
    {
        using var scratch = new ScratchDirectory();
        var file = scratch.Write("job.yaml", "log_limits:\n  max_bytes_per_stream: 3\n");

        var cut = await Sh("printf 12345", "-f", file).RunAsync();
        cut.Text.Should().Be("123");
        cut.Error.Should().StartWith("ergon: Of each stream only the first 3").And.Contain("log_limits.max_bytes_per_stream");
        (await Sh("printf 123", "-f", file).RunAsync()).Error.Should().BeEmpty();
        (await Sh("printf 12345", "-f", file, "--quiet").RunAsync()).Error.Should().BeEmpty();
        var json = await Sh("printf 12345", "-f", file, "--json").RunAsync();
        json.Error.Should().BeEmpty();
        ErgonJson.ParseResult(json.Output).Stdout.Truncated.Should().BeTrue();
    }

    internal static ErgonCommand Sh(string script, params string[] flags) =>
        new(["run", "--executor", "process", .. flags, "--", "sh", "-c", script]);

    private static async Task<string> ShellAsync(string script)
    {
        using var shell = System.Diagnostics.Process.Start(new System.Diagnostics.ProcessStartInfo("sh", ["-c", script])
        {
            RedirectStandardOutput = true,
            RedirectStandardInput = true,
            UseShellExecute = false,
        })!;
        shell.StandardInput.Close();
        var text = await shell.StandardOutput.ReadToEndAsync(TestContext.Current.CancellationToken);
        await shell.WaitForExitAsync(TestContext.Current.CancellationToken);
        return text;
    }
}
