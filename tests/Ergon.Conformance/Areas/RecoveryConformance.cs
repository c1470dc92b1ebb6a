using System.Text;

namespace Ergon.Conformance;

/// <summary>A new process with the same executor id finds what the former one left running.</summary>
public abstract class RecoveryConformance(ConformanceFixture fixture) : ConformanceTests(fixture)
{
    [Fact]
    public async Task A_job_that_outlived_its_executor_is_supervised_again_with_its_whole_log()
    {
        if (!Can.Recovery) return;
        var options = Options();
        var request = Request(Print("one\n"), PrintError("err one\n"), WaitForSignal(Signal.User1), Print("two\n"), PrintError("err two\n"), Exit(5));
        await DetachAsync(options, request, "waiting\n");

        await using var second = Fixture.CreateExecutor(options);
        await Fixture.RecoverAsync(second, Token);
        (await second.GetStatusAsync(request.ExecutionId, Token)).Status.Should().Be(ExecutionStatus.Running);
        await Refusal(ErrorCode.ExecutionAlreadyStarted, () => second.StartAsync(request, Token));
        await second.SignalAsync(request.ExecutionId, Signal.User1, Token);

        var result = await second.WaitAsync(request.ExecutionId, Token);
        result.ExitCode.Should().Be(5);
        result.Reason.Should().Be(TerminationReason.Exited);
        result.Stdout.Text.Should().Be("one\nwaiting\ntwo\n");
        result.Stderr.Text.Should().Be("err one\nerr two\n");
        (await second.ReadStdoutAsync(request.ExecutionId, Token)).Should().Be("one\nwaiting\ntwo\n");
        await second.CleanupAsync(Token);
    }

    [Fact]
    public async Task A_job_that_ended_while_no_executor_was_there_has_its_true_result_and_log()
    {
        if (!Can.Recovery) return;
        var options = Options();
        var request = Request(Print("ready\n"), Sleep(1), PrintPattern(OutputStream.Stdout, 300_000), PrintError("late\n"), Exit(42));
        await DetachAsync(options, request, "ready\n");
        await Task.Delay(TimeSpan.FromSeconds(2), TimeProvider.System, Token);

        await using var second = Fixture.CreateExecutor(options);
        await Fixture.RecoverAsync(second, Token);
        var result = await second.WaitAsync(request.ExecutionId, Token);
        result.Reason.Should().Be(TerminationReason.Exited);
        result.ExitCode.Should().Be(42);
        result.Stderr.Text.Should().Be("late\n");
        var log = await second.ReadLogAsync(new() { ExecutionId = request.ExecutionId }, OutputStream.Stdout, Token);
        Encoding.UTF8.GetString(log, 0, 6).Should().Be("ready\n");
        await Pattern.VerifyAsync(new MemoryStream(log[6..]), 300_000, Token);
        await second.CleanupAsync(Token);
    }

    [Fact]
    public async Task Results_are_retained_across_a_restart()
    {
        var options = Options();
        var request = Request(Print("kept"), Exit(3)) with { Labels = new Dictionary<string, string> { ["a"] = "b" } };
        await using (var first = Fixture.CreateExecutor(options)) await RunAsync(request, first);

        await using var second = Fixture.CreateExecutor(options);
        await Fixture.RecoverAsync(second, Token);
        var result = await second.WaitAsync(request.ExecutionId, Token);
        result.ExitCode.Should().Be(3);
        result.Stdout.Text.Should().Be("kept");
        (await second.ReadStdoutAsync(request.ExecutionId, Token)).Should().Be("kept");
        (await second.GetStatusAsync(request.ExecutionId, Token)).Labels.Should().ContainKey("a");
        await Refusal(ErrorCode.ExecutionAlreadyConcluded, () => second.StartAsync(request, Token));
        await second.CleanupAsync(Token);
    }

    [Fact]
    public async Task A_job_that_was_lost_while_no_executor_was_there_is_reported_as_lost()
    {
        if (!Can.Recovery) return;
        var options = Options();
        var request = Request(Print("ready\n"), Hang());
        await DetachAsync(options, request, "ready\n");
        // Somebody with the same executor id, but other records, cleans up the backend.
        await using (var careless = Fixture.CreateExecutor(options with { DataDirectory = Fixture.NewDirectory() }))
            await careless.CleanupAsync(Token);

        await using var second = Fixture.CreateExecutor(options);
        await Fixture.RecoverAsync(second, Token);
        var result = await second.WaitAsync(request.ExecutionId, Token);
        result.Reason.Should().Be(TerminationReason.BackendLost);
        result.Status.Should().Be(ExecutionStatus.Failed);
        result.Stdout.Text.Should().Be("ready\n");
        await second.CleanupAsync(Token);
    }

    [Fact]
    public async Task A_recovered_job_can_be_cancelled()
    {
        if (!Can.Recovery) return;
        var options = Options();
        var request = Request(OnSignal(Signal.Terminate, Print("stopping\n"), Exit(0)), Print("ready\n"), Hang());
        await DetachAsync(options, request, "ready\n");
        await using var second = Fixture.CreateExecutor(options);
        await Fixture.RecoverAsync(second, Token);
        await second.CancelAsync(request.ExecutionId, Token);
        var result = await second.WaitAsync(request.ExecutionId, Token);
        result.Reason.Should().Be(TerminationReason.Cancelled);
        result.Stdout.Text.Should().Be("ready\nstopping\n");
        await second.CleanupAsync(Token);
    }

    [Fact]
    public async Task A_paused_job_is_found_paused_and_goes_on_when_it_is_resumed()
    {
        if (!Can.Recovery || !Can.Pause) return;
        var options = Options();
        var request = Request(Print("ready\n"), WaitForSignal(Signal.User1), Print("resumed\n"), Exit(6));
        await using (var first = Fixture.CreateExecutor(options))
        {
            await first.StartAsync(request, Token);
            await first.WaitForOutputAsync(request.ExecutionId, "ready\nwaiting\n", Token);
            await first.PauseAsync(request.ExecutionId, Token);
        }

        await using var second = Fixture.CreateExecutor(options);
        await Fixture.RecoverAsync(second, Token);
        (await second.GetStatusAsync(request.ExecutionId, Token)).Status.Should().Be(ExecutionStatus.Paused);
        await second.ResumeAsync(request.ExecutionId, Token);
        await second.SignalAsync(request.ExecutionId, Signal.User1, Token);
        var result = await second.WaitAsync(request.ExecutionId, Token);
        result.ExitCode.Should().Be(6);
        result.Stdout.Text.Should().Be("ready\nwaiting\nresumed\n");
        await second.CleanupAsync(Token);
    }

    [Fact]
    public async Task A_paused_job_that_was_found_again_can_be_cancelled()
    {
        if (!Can.Recovery || !Can.Pause) return;
        var options = Options();
        var request = Request(Print("ready\n"), Hang());
        await using (var first = Fixture.CreateExecutor(options))
        {
            await first.StartAsync(request, Token);
            await first.WaitForOutputAsync(request.ExecutionId, "ready\n", Token);
            await first.PauseAsync(request.ExecutionId, Token);
        }

        await using var second = Fixture.CreateExecutor(options);
        await Fixture.RecoverAsync(second, Token);
        await second.CancelAsync(request.ExecutionId, Token);
        (await second.WaitAsync(request.ExecutionId, Token)).Reason.Should().Be(TerminationReason.Cancelled);
        await second.CleanupAsync(Token);
    }

    [Fact]
    public async Task A_data_directory_serves_one_executor_at_a_time()
    {
        var options = Options();
        await using var first = Fixture.CreateExecutor(options);
        await RunAsync(Request(Exit(0)), first);
        await using var second = Fixture.CreateExecutor(options);
        await Refusal(ErrorCode.StorageFailed, () => second.StartAsync(Request(Exit(0)), Token));
    }

    private ExecutorOptions Options() => new()
    {
        ExecutorId = $"conformance-{Guid.NewGuid():n}",
        DataDirectory = Fixture.NewDirectory(),
        DisposeBehavior = DisposeBehavior.Detach,
    };

    private async Task DetachAsync(ExecutorOptions options, ExecutionRequest request, string output)
    {
        await using var first = Fixture.CreateExecutor(options);
        await first.StartAsync(request, Token);
        await first.WaitForOutputAsync(request.ExecutionId, output, Token);
    }
}
