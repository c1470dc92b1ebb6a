using System.Text;

namespace Ergon.Conformance;

/// <summary>Output is kept apart, byte for byte, and bounded.</summary>
public abstract class OutputConformance(ConformanceFixture fixture) : ConformanceTests(fixture)
{
    [Fact]
    public async Task Stdout_and_stderr_are_kept_apart()
    {
        var result = await RunAsync(Print("out 1\n"), PrintError("err 1\n"), Print("out 2\n"), PrintError("err 2\n"));
        result.Stdout.Text.Should().Be("out 1\nout 2\n");
        result.Stderr.Text.Should().Be("err 1\nerr 2\n");
    }

    [Fact]
    public async Task A_job_without_output_has_empty_output()
    {
        var result = await RunAsync(Exit(0));
        result.Stdout.TotalBytes.Should().Be(0);
        result.Stdout.Bytes.Length.Should().Be(0);
        result.Stderr.TotalBytes.Should().Be(0);
        result.Stderr.Truncated.Should().BeFalse();
    }

    [Fact]
    public async Task A_last_line_without_a_newline_stays_without_one() =>
        (await RunAsync(Print("first\nlast"))).Stdout.Text.Should().Be("first\nlast");

    [Fact]
    public async Task Every_byte_value_passes_unchanged_on_both_streams()
    {
        byte[] bytes = [.. Enumerable.Range(0, 256).Concat(Enumerable.Range(0, 256).Reverse()).Select(i => (byte)i)];
        var result = await RunAsync(PrintBytes(OutputStream.Stdout, bytes), PrintBytes(OutputStream.Stderr, bytes));
        result.Stdout.Bytes.ToArray().Should().Equal(bytes);
        result.Stderr.Bytes.ToArray().Should().Equal(bytes);
    }

    [Fact]
    public async Task Carriage_returns_and_empty_lines_are_left_as_they_are() =>
        (await RunAsync(Print("a\r\n\r\n\n\nb\r"))).Stdout.Text.Should().Be("a\r\n\r\n\n\nb\r");

    [Fact]
    public async Task Unicode_output_arrives_whole() =>
        (await RunAsync(Print("Grüße, 世界 🚀\n"))).Stdout.Text.Should().Be("Grüße, 世界 🚀\n");

    [Fact]
    public async Task Large_output_on_both_streams_is_exact_in_the_log_and_in_the_results_directory()
    {
        var size = Fixture.LargeOutputSize;
        var request = Request(Together([PrintPattern(OutputStream.Stdout, size)], [PrintPattern(OutputStream.Stderr, size)])) with
        {
            ResultsDir = Fixture.NewDirectory(),
        };
        var result = await RunAsync(request);
        result.ExitCode.Should().Be(0);
        result.Stdout.TotalBytes.Should().Be(size);
        result.Stderr.TotalBytes.Should().Be(size);

        foreach (var (stream, file) in new[] { (OutputStream.Stdout, "stdout"), (OutputStream.Stderr, "stderr") })
        {
            await using var log = Executor.OpenLogStream(new() { ExecutionId = request.ExecutionId }, stream);
            await Pattern.VerifyAsync(log, size, Token);
            await using var copy = File.OpenRead(Path.Combine(request.ResultsDir, file));
            await Pattern.VerifyAsync(copy, size, Token);
        }
    }

    [Fact]
    public async Task The_result_carries_the_beginning_and_says_that_there_was_more()
    {
        var result = await RunAsync(Request(Print("0123456789"), PrintError("01234")) with { LogLimits = new LogLimits { ResultBytes = 5 } });
        result.Stdout.Text.Should().Be("01234");
        result.Stdout.TotalBytes.Should().Be(10);
        result.Stdout.Truncated.Should().BeTrue();
        result.Stderr.Text.Should().Be("01234");
        result.Stderr.Truncated.Should().BeFalse();
    }

    [Fact]
    public async Task The_result_carries_64_KiB_unless_asked_for_more()
    {
        var result = await RunAsync(PrintPattern(OutputStream.Stdout, 100_000));
        result.Stdout.Bytes.Length.Should().Be(64 * 1024);
        result.Stdout.TotalBytes.Should().Be(100_000);
    }

    [Fact]
    public async Task A_job_that_writes_more_than_the_log_limit_runs_on_and_its_log_is_the_beginning()
    {
        const int limit = 300_000;
        var request = Request(PrintPattern(OutputStream.Stdout, 5_000_000), PrintError("the end"), Exit(9)) with
        {
            LogLimits = new LogLimits { MaxBytesPerStream = limit },
            ResultsDir = Fixture.NewDirectory(),
        };
        var result = await RunAsync(request);
        result.ExitCode.Should().Be(9);
        result.Stdout.TotalBytes.Should().Be(5_000_000);
        result.Stderr.Text.Should().Be("the end");

        var log = await Executor.ReadLogAsync(new() { ExecutionId = request.ExecutionId }, OutputStream.Stdout, Token);
        await Pattern.VerifyAsync(new MemoryStream(log), limit, Token);
        new FileInfo(Path.Combine(request.ResultsDir, "stdout")).Length.Should().Be(limit);
    }

    [Fact]
    public async Task Endless_output_is_bounded_on_disk_while_the_job_runs_on()
    {
        const int limit = 200_000;
        var id = await StartAsync(Request(PrintEndlessly(OutputStream.Stdout)) with { LogLimits = new LogLimits { MaxBytesPerStream = limit } });
        await using (var log = Executor.OpenLogStream(new() { ExecutionId = id, Follow = true }, OutputStream.Stdout))
            await log.ReadExactlyAsync(new byte[limit], Token);
        (await Executor.GetStatusAsync(id, Token)).Status.Should().Be(ExecutionStatus.Running);

        await Executor.CancelAsync(id, Token);
        var result = await WaitAsync(id);
        result.Reason.Should().Be(TerminationReason.Cancelled);
        result.Stdout.TotalBytes.Should().BeGreaterThanOrEqualTo(limit);
        (await Executor.ReadLogAsync(new() { ExecutionId = id }, OutputStream.Stdout, Token)).Length.Should().Be(limit);
    }

    [Fact]
    public async Task The_output_of_a_failing_job_is_complete()
    {
        var result = await RunAsync(PrintPattern(OutputStream.Stdout, 50_000), PrintError("it failed\n"), Exit(1));
        result.Stdout.TotalBytes.Should().Be(50_000);
        await Pattern.VerifyAsync(new MemoryStream(result.Stdout.Bytes.ToArray()), 50_000, Token);
        result.Stderr.Text.Should().Be("it failed\n");
    }

    [Fact]
    public async Task Many_small_writes_stay_in_order()
    {
        var steps = Enumerable.Range(0, 300).Select(i => Print($"{i}\n")).ToArray();
        var expected = new StringBuilder().AppendJoin("", Enumerable.Range(0, 300).Select(i => $"{i}\n")).ToString();
        (await RunAsync(steps)).Stdout.Text.Should().Be(expected);
    }
}
