using System.Text;

namespace Ergon.Conformance;

/// <summary>Further commands inside a running execution.</summary>
public abstract class ExecConformance(ConformanceFixture fixture) : ConformanceTests(fixture)
{
    [Fact]
    public async Task A_command_inside_has_its_own_output_streams_and_exit_code()
    {
        if (await StartForExecAsync() is not { } id) return;
        await using var session = await ExecAsync(id, Print("out"), PrintError("err"), Exit(42));
        var (stdout, stderr) = await ReadBothAsync(session);
        stdout.Should().Be("out");
        stderr.Should().Be("err");
        (await session.WaitAsync(Token)).Should().Be(42);
        (await Executor.ReadStdoutAsync(id, Token)).Should().BeEmpty();
    }

    [Fact]
    public async Task A_command_reads_its_input_until_it_is_ended()
    {
        if (await StartForExecAsync() is not { } id) return;
        await using var session = await Executor.ExecAsync(id, Exec(CopyInput(), Print("the end")) with { Stdin = true }, Token);
        await session.StandardInput.WriteAsync(Encoding.UTF8.GetBytes("line 1\nzeile 2 ü\n"), Token);
        await session.StandardInput.DisposeAsync();
        var (stdout, _) = await ReadBothAsync(session);
        stdout.Should().Be("line 1\nzeile 2 ü\nthe end");
        (await session.WaitAsync(Token)).Should().Be(0);
    }

    [Fact]
    public async Task A_megabyte_passes_through_a_command_unchanged()
    {
        if (await StartForExecAsync() is not { } id) return;
        const int size = 1_000_000;
        await using var session = await Executor.ExecAsync(id, Exec(CopyInput()) with { Stdin = true }, Token);
        var verify = Pattern.VerifyAsync(session.StandardOutput, size, Token);
        foreach (var block in Pattern.Blocks(size)) await session.StandardInput.WriteAsync(block, Token);
        await session.StandardInput.DisposeAsync();
        await verify;
        (await session.WaitAsync(Token)).Should().Be(0);
    }

    [Fact]
    public async Task A_command_without_input_sees_the_end_of_its_input()
    {
        if (await StartForExecAsync() is not { } id) return;
        await using var session = await ExecAsync(id, CopyInput(), Print("the end"));
        (await ReadBothAsync(session)).Stdout.Should().Be("the end");
    }

    [Fact]
    public async Task A_command_has_the_environment_of_the_execution_and_its_own()
    {
        if (!Can.Exec) return;
        var id = await StartAsync(Request(Hang()) with
        {
            Environment = new Dictionary<string, string> { ["OF_JOB"] = "job", ["OF_BOTH"] = "job" },
        });
        var exec = Exec(PrintVariable("OF_JOB"), PrintVariable("OF_BOTH"), PrintVariable("OF_EXEC")) with
        {
            Environment = new Dictionary<string, string> { ["OF_EXEC"] = "a b=c", ["OF_BOTH"] = "exec" },
        };
        await using var session = await Executor.ExecAsync(id, exec, Token);
        (await ReadBothAsync(session)).Stdout.Should().Be("[job]\n[exec]\n[a b=c]\n");
    }

    [Fact]
    public async Task A_command_starts_in_the_directory_that_it_is_given()
    {
        if (await StartForExecAsync() is not { } id) return;
        await using var session = await Executor.ExecAsync(id, Exec(PrintWorkingDirectory()) with { WorkingDirectory = "/etc" }, Token);
        (await ReadBothAsync(session)).Stdout.Should().Be("/etc\n");
    }

    [Fact]
    public async Task A_command_gets_its_arguments_as_they_are()
    {
        if (await StartForExecAsync() is not { } id) return;
        var job = new TestJob { Steps = [PrintArguments()], Arguments = ["", "two words", "$HOME", "ü🚀", "'\""] };
        await using var session = await Executor.ExecAsync(id, new ExecRequest { Command = Fixture.Command(job) }, Token);
        (await ReadBothAsync(session)).Stdout.Should().Be("[]\n[two words]\n[$HOME]\n[ü🚀]\n['\"]\n");
    }

    [Fact]
    public async Task A_command_sees_the_files_of_the_job()
    {
        if (!Can.Exec) return;
        var id = await StartAsync(WriteFile("/tmp/of-the-job", "from the job"), Print("ready\n"), Hang());
        await Executor.WaitForOutputAsync(id, "ready\n", Token);
        await using var session = await ExecAsync(id, ReadFile("/tmp/of-the-job"));
        (await ReadBothAsync(session)).Stdout.Should().Be("from the job");
    }

    [Fact]
    public async Task A_command_that_does_not_exist_ends_with_127()
    {
        if (await StartForExecAsync() is not { } id) return;
        await using var session = await Executor.ExecAsync(id, new ExecRequest { Command = ["/no/such/command"] }, Token);
        (await session.WaitAsync(Token)).Should().Be(127);
    }

    [Fact]
    public async Task With_a_terminal_both_streams_are_one_and_the_size_is_known()
    {
        if (await StartForExecAsync() is not { } id) return;
        var exec = Exec(PrintTerminalSizes()) with { Stdin = true, Terminal = new TerminalSize(100, 40) };
        await using var session = await Executor.ExecAsync(id, exec, Token);
        var output = new TextUntil(session.StandardOutput, Token);
        await output.WaitForAsync("terminal");
        await session.StandardInput.WriteAsync("\n"u8.ToArray(), Token);
        await output.WaitForAsync("40 100");

        await session.ResizeAsync(new TerminalSize(132, 50), Token);
        await session.StandardInput.WriteAsync("\n"u8.ToArray(), Token);
        await output.WaitForAsync("50 132");
    }

    [Fact]
    public async Task With_a_terminal_stderr_is_part_of_the_output()
    {
        if (await StartForExecAsync() is not { } id) return;
        await using var session = await Executor.ExecAsync(
            id, Exec(Print("out\n"), PrintError("err\n"), Exit(5)) with { Terminal = new TerminalSize(80, 24) }, Token);
        var (stdout, stderr) = await ReadBothAsync(session);
        stdout.Replace("\r\n", "\n", StringComparison.Ordinal).Should().Be("out\nerr\n");
        stderr.Should().BeEmpty();
        (await session.WaitAsync(Token)).Should().Be(5);
    }

    [Fact]
    public async Task Only_a_terminal_can_be_resized()
    {
        if (await StartForExecAsync() is not { } id) return;
        await using var session = await ExecAsync(id, Hang());
        await Refusal(ErrorCode.InvalidState, () => session.ResizeAsync(new TerminalSize(80, 24), Token));
    }

    [Fact]
    public async Task Disposing_the_session_kills_the_command_and_not_the_job()
    {
        if (!Can.Exec) return;
        var id = await StartAsync(WaitForSignal(Signal.User1), Exit(3));
        await Executor.WaitForOutputAsync(id, "waiting\n", Token);
        var session = await ExecAsync(id, Print("ready\n"), Hang());
        await new TextUntil(session.StandardOutput, Token).WaitForAsync("ready\n");
        await session.DisposeAsync();

        (await Executor.GetStatusAsync(id, Token)).Status.Should().Be(ExecutionStatus.Running);
        await Executor.SignalAsync(id, Signal.User1, Token);
        (await WaitAsync(id)).ExitCode.Should().Be(3);
    }

    [Fact]
    public async Task A_command_ends_with_the_execution()
    {
        if (await StartForExecAsync() is not { } id) return;
        await using var session = await ExecAsync(id, Print("ready\n"), Hang());
        await new TextUntil(session.StandardOutput, Token).WaitForAsync("ready\n");
        await Executor.SignalAsync(id, Signal.Kill, Token);
        await WaitAsync(id);
        (await session.WaitAsync(Token)).Should().NotBe(0);
    }

    [Fact]
    public async Task Writing_to_a_command_that_has_ended_is_an_error()
    {
        if (await StartForExecAsync() is not { } id) return;
        await using var session = await Executor.ExecAsync(id, Exec(Exit(3)) with { Stdin = true }, Token);
        (await session.WaitAsync(Token)).Should().Be(3);
        await Assert.ThrowsAsync<IOException>(async () =>
        {
            // The first bytes may still go into a buffer that nobody reads.
            while (!Token.IsCancellationRequested) await session.StandardInput.WriteAsync(new byte[1024], Token);
        });
    }

    [Fact]
    public async Task Several_commands_run_at_one_time()
    {
        if (await StartForExecAsync() is not { } id) return;
        var codes = await Task.WhenAll(Enumerable.Range(1, 8).Select(async code =>
        {
            await using var session = await ExecAsync(id, Print($"{code}"), Exit(code));
            (await ReadBothAsync(session)).Stdout.Should().Be($"{code}");
            return await session.WaitAsync(Token);
        }));
        codes.Should().Equal(1, 2, 3, 4, 5, 6, 7, 8);
    }

    [Fact]
    public async Task An_empty_command_is_refused()
    {
        var id = await StartAsync(Hang());
        await Refusal(ErrorCode.InvalidRequest, () => Executor.ExecAsync(id, new ExecRequest { Command = [] }, Token));
        await Refusal(ErrorCode.InvalidRequest, () => Executor.ExecAsync(id, new ExecRequest { Command = [""] }, Token));
    }

    [Fact]
    public async Task No_command_can_be_run_inside_a_concluded_execution()
    {
        var request = Request(Exit(0));
        await RunAsync(request);
        await Refusal(ErrorCode.ExecutionAlreadyConcluded, () => Executor.ExecAsync(request.ExecutionId, Exec(Exit(0)), Token));
    }

    private async Task<ExecutionId?> StartForExecAsync()
    {
        var id = await StartAsync(Hang());
        if (Can.Exec) return id;
        await Refusal(ErrorCode.NotSupported, () => Executor.ExecAsync(id, Exec(Exit(0)), Token));
        return null;
    }

    private ExecRequest Exec(params Step[] steps) => new() { Command = Fixture.Command(new TestJob { Steps = steps }) };

    private Task<IExecSession> ExecAsync(ExecutionId id, params Step[] steps) => Executor.ExecAsync(id, Exec(steps), Token);

    private async Task<(string Stdout, string Stderr)> ReadBothAsync(IExecSession session)
    {
        using var stdout = new StreamReader(session.StandardOutput, leaveOpen: true);
        using var stderr = new StreamReader(session.StandardError, leaveOpen: true);
        var both = await Task.WhenAll(stdout.ReadToEndAsync(Token), stderr.ReadToEndAsync(Token));
        return (both[0], both[1]);
    }

    private sealed class TextUntil(Stream stream, CancellationToken cancellationToken)
    {
        private readonly StringBuilder _text = new();

        public async Task WaitForAsync(string text)
        {
            var buffer = new byte[1024];
            while (!_text.ToString().Contains(text, StringComparison.Ordinal))
            {
                var read = await stream.ReadAsync(buffer, cancellationToken);
                if (read == 0) Assert.Fail($"The command ended without writing '{text}': {_text}");
                _text.Append(Encoding.UTF8.GetString(buffer, 0, read));
            }
        }
    }
}
