using System.Text;

namespace Ergon.Conformance;

/// <summary>Readers of the log: from the start or from now, once or following.</summary>
public abstract class LogStreamConformance(ConformanceFixture fixture) : ConformanceTests(fixture)
{
    [Fact]
    public async Task Following_from_the_start_delivers_everything_and_ends_with_the_execution()
    {
        var id = await StartAsync(Print("one\n"), WaitForSignal(Signal.User1), Print("two\n"));
        var follower = Executor.ReadLogAsync(new() { ExecutionId = id, Follow = true }, OutputStream.Stdout, Token);
        await Executor.WaitForOutputAsync(id, "waiting\n", Token);
        follower.IsCompleted.Should().BeFalse();

        await Executor.SignalAsync(id, Signal.User1, Token);
        Encoding.UTF8.GetString(await follower).Should().Be("one\nwaiting\ntwo\n");
        (await WaitAsync(id)).ExitCode.Should().Be(0);
    }

    [Fact]
    public async Task Following_from_now_leaves_out_the_history()
    {
        var id = await StartAsync(Print("history\n"), WaitForSignal(Signal.User1), Print("news\n"));
        await Executor.WaitForOutputAsync(id, "waiting\n", Token);
        var follower = Executor.ReadLogAsync(new() { ExecutionId = id, Follow = true, Tail = true }, OutputStream.Stdout, Token);

        await Executor.SignalAsync(id, Signal.User1, Token);
        Encoding.UTF8.GetString(await follower).Should().Be("news\n");
    }

    [Fact]
    public async Task Following_after_the_end_delivers_everything_and_ends()
    {
        var request = Request(Print("all of it"));
        await RunAsync(request);
        var log = await Executor.ReadLogAsync(new() { ExecutionId = request.ExecutionId, Follow = true }, OutputStream.Stdout, Token);
        Encoding.UTF8.GetString(log).Should().Be("all of it");
    }

    [Fact]
    public async Task Following_from_now_after_the_end_delivers_nothing_and_ends()
    {
        var request = Request(Print("all of it"));
        await RunAsync(request);
        var read = new LogStreamRequest { ExecutionId = request.ExecutionId, Follow = true, Tail = true };
        (await Executor.ReadLogAsync(read, OutputStream.Stdout, Token)).Should().BeEmpty();
    }

    [Fact]
    public async Task Without_following_the_history_of_a_running_job_is_read_and_the_stream_ends()
    {
        var id = await StartAsync(Print("so far\n"), WaitForSignal(Signal.User1));
        await Executor.WaitForOutputAsync(id, "waiting\n", Token);
        (await Executor.ReadStdoutAsync(id, Token)).Should().Be("so far\nwaiting\n");
        (await Executor.GetStatusAsync(id, Token)).Status.Should().Be(ExecutionStatus.Running);
    }

    [Fact]
    public async Task The_log_can_be_read_many_times_after_the_end()
    {
        var request = Request(Print("again"));
        await RunAsync(request);
        for (var i = 0; i < 3; i++) (await Executor.ReadStdoutAsync(request.ExecutionId, Token)).Should().Be("again");
    }

    [Fact]
    public async Task All_of_many_followers_see_everything()
    {
        var id = await StartAsync(WaitForSignal(Signal.User1), PrintPattern(OutputStream.Stdout, 1_000_000));
        var followers = Enumerable.Range(0, 10)
            .Select(_ => Executor.ReadLogAsync(new() { ExecutionId = id, Follow = true }, OutputStream.Stdout, Token)).ToList();
        await Executor.WaitForOutputAsync(id, "waiting\n", Token);
        await Executor.SignalAsync(id, Signal.User1, Token);
        foreach (var log in await Task.WhenAll(followers))
            await Pattern.VerifyAsync(new MemoryStream(log["waiting\n".Length..]), 1_000_000, Token);
    }

    [Fact]
    public async Task A_follower_that_leaves_early_disturbs_nobody()
    {
        var id = await StartAsync(Print("first\n"), WaitForSignal(Signal.User1), Exit(7));
        await foreach (var entry in Executor.GetLogStreamAsync(new() { ExecutionId = id, Follow = true }, Token))
        {
            entry.Data.Length.Should().BePositive();
            break;
        }

        await Executor.WaitForOutputAsync(id, "waiting\n", Token);
        await Executor.SignalAsync(id, Signal.User1, Token);
        (await WaitAsync(id)).ExitCode.Should().Be(7);
    }

    [Fact]
    public async Task A_follower_that_does_not_read_does_not_hold_up_the_job()
    {
        var id = await StartAsync(WaitForSignal(Signal.User1), PrintPattern(OutputStream.Stdout, 10_000_000));
        await using var follower = Executor.GetLogStreamAsync(new() { ExecutionId = id, Follow = true }, Token).GetAsyncEnumerator(Token);
        (await follower.MoveNextAsync()).Should().BeTrue();
        await Executor.WaitForOutputAsync(id, "waiting\n", Token);

        await Executor.SignalAsync(id, Signal.User1, Token);
        (await WaitAsync(id)).Stdout.TotalBytes.Should().Be(10_000_000 + "waiting\n".Length);
    }

    [Fact]
    public async Task Cancelling_a_follower_ends_the_follower_and_not_the_execution()
    {
        var id = await StartAsync(Print("first\n"), Hang());
        await Executor.WaitForOutputAsync(id, "first\n", Token);
        using var cancellation = CancellationTokenSource.CreateLinkedTokenSource(Token);
        var follower = Executor.ReadLogAsync(new() { ExecutionId = id, Follow = true }, OutputStream.Stdout, cancellation.Token);
        await cancellation.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => follower);
        (await Executor.GetStatusAsync(id, Token)).Status.Should().Be(ExecutionStatus.Running);
    }

    [Fact]
    public async Task Positions_and_timestamps_never_go_back()
    {
        var request = Request(Together([PrintPattern(OutputStream.Stdout, 500_000)], [PrintPattern(OutputStream.Stderr, 500_000)]));
        var result = await RunAsync(request);
        List<LogEntry> entries = [];
        await foreach (var entry in Executor.GetLogStreamAsync(new() { ExecutionId = request.ExecutionId }, Token))
            entries.Add(entry with { Data = default });
        entries[0].Position.Should().Be(0);
        entries.Select(e => e.Position).Should().BeInAscendingOrder();
        entries.Select(e => e.Timestamp).Should().BeInAscendingOrder();
        entries.Should().OnlyContain(e => e.Timestamp >= result.CreatedAt && e.Timestamp <= result.FinishedAt);
    }

    [Fact]
    public async Task Output_is_delivered_while_the_job_runs()
    {
        var id = await StartAsync(Print("early"), WaitForSignal(Signal.User1));
        await Executor.WaitForOutputAsync(id, "early", Token);
        (await Executor.GetStatusAsync(id, Token)).IsTerminal.Should().BeFalse();
    }

    [Fact]
    public async Task The_log_can_be_read_as_plain_bytes_of_one_stream_or_both()
    {
        var request = Request(Print("to stdout"), PrintError("to stderr"));
        await RunAsync(request);
        var read = new LogStreamRequest { ExecutionId = request.ExecutionId };
        (await ReadToEndAsync(Executor.OpenLogStream(read, OutputStream.Stdout))).Should().Be("to stdout");
        (await ReadToEndAsync(Executor.OpenLogStream(read, OutputStream.Stderr))).Should().Be("to stderr");
        (await ReadToEndAsync(Executor.OpenLogStream(read))).Should().HaveLength("to stdoutto stderr".Length).And.Contain("to stdout").And.Contain("to stderr");
    }

    [Fact]
    public async Task An_execution_of_another_job_is_not_found()
    {
        var request = Request(Print("mine"));
        await RunAsync(request);
        var mine = new LogStreamRequest { JobId = request.JobId, ExecutionId = request.ExecutionId };
        (await Executor.ReadLogAsync(mine, OutputStream.Stdout, Token)).Should().NotBeEmpty();
        var other = mine with { JobId = JobId.Parse("another") };
        await Refusal(ErrorCode.ExecutionNotFound, () => Executor.ReadLogAsync(other, OutputStream.Stdout, Token));
    }

    private async Task<string> ReadToEndAsync(Stream stream)
    {
        using var reader = new StreamReader(stream);
        return await reader.ReadToEndAsync(Token);
    }
}
