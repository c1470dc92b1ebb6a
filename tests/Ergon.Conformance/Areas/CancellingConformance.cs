using System.Diagnostics;

namespace Ergon.Conformance;

/// <summary>Cancelling: gracefully, then hard, at any time.</summary>
public abstract class CancellingConformance(ConformanceFixture fixture) : ConformanceTests(fixture)
{
    [Fact]
    public async Task A_cancelled_job_has_failed_because_it_was_cancelled()
    {
        var id = await StartAsync(Print("working\n"), Hang());
        await Executor.WaitForOutputAsync(id, "working\n", Token);
        await Executor.CancelAsync(id, Token);
        (await Executor.GetStatusAsync(id, Token)).Status.Should().Be(ExecutionStatus.Failed);

        var result = await WaitAsync(id);
        result.Reason.Should().Be(TerminationReason.Cancelled);
        result.Status.Should().Be(ExecutionStatus.Failed);
        result.Killed.Should().BeTrue();
        result.Stdout.Text.Should().Be("working\n");
    }

    [Fact]
    public async Task A_job_that_listens_to_the_stop_signal_ends_by_itself_within_the_grace_period()
    {
        var request = Request(OnSignal(Signal.Terminate, Print("stopping\n"), Exit(0)), Print("ready\n"), Hang()) with
        {
            Timeouts = new Timeouts { StopGrace = TimeSpan.FromMinutes(1) },
        };
        var id = await StartAsync(request);
        await Executor.WaitForOutputAsync(id, "ready\n", Token);
        await Executor.CancelAsync(id, Token);

        var result = await WaitAsync(id);
        result.Reason.Should().Be(TerminationReason.Cancelled);
        result.Status.Should().Be(ExecutionStatus.Failed);
        result.ExitCode.Should().Be(0);
        result.Stdout.Text.Should().Be("ready\nstopping\n");
    }

    [Fact]
    public async Task A_job_that_ignores_the_stop_signal_is_killed_after_the_grace_period()
    {
        var id = await StartAsync(OnSignal(Signal.Terminate), Print("ready\n"), Hang());
        await Executor.WaitForOutputAsync(id, "ready\n", Token);
        var clock = Stopwatch.StartNew();
        await Executor.CancelAsync(id, Token);
        clock.Elapsed.Should().BeGreaterThan(TimeSpan.FromSeconds(0.9));
        (await WaitAsync(id)).Reason.Should().Be(TerminationReason.Cancelled);
    }

    [Fact]
    public async Task Without_a_grace_period_a_job_is_killed_at_once()
    {
        var id = await StartAsync(Request(OnSignal(Signal.Terminate), Print("ready\n"), Hang()) with
        {
            Timeouts = new Timeouts { StopGrace = TimeSpan.Zero },
        });
        await Executor.WaitForOutputAsync(id, "ready\n", Token);
        await Executor.CancelAsync(id, Token);
        (await WaitAsync(id)).Reason.Should().Be(TerminationReason.Cancelled);
    }

    [Fact]
    public async Task The_processes_that_a_job_started_end_with_it()
    {
        var id = await StartAsync(Background(Tick()), Background(Hang()), Print("ready\n"), Hang());
        await Executor.WaitForOutputAsync(id, "ready\n", Token);
        await Executor.CancelAsync(id, Token);
        var log = await Executor.ReadStdoutAsync(id, Token);
        (await WaitAsync(id)).Stdout.Text.Should().Be(log);
    }

    [Fact]
    public async Task Many_may_cancel_at_one_time()
    {
        var id = await StartAsync(Hang());
        var cancels = Enumerable.Range(0, 10).Select(_ => Executor.CancelAsync(id, Token)).ToList();
        foreach (var cancel in cancels) await cancel;
        (await WaitAsync(id)).Reason.Should().Be(TerminationReason.Cancelled);
    }

    [Fact]
    public async Task Cancelling_after_the_end_is_refused()
    {
        var request = Request(Exit(0));
        await RunAsync(request);
        await Refusal(ErrorCode.ExecutionAlreadyConcluded, () => Executor.CancelAsync(request.ExecutionId, Token));
        (await Executor.GetStatusAsync(request.ExecutionId, Token)).Status.Should().Be(ExecutionStatus.Success);
    }

    [Fact]
    public async Task Cancelling_the_call_of_cancel_does_not_take_the_cancel_back()
    {
        var id = await StartAsync(OnSignal(Signal.Terminate), Print("ready\n"), Hang());
        await Executor.WaitForOutputAsync(id, "ready\n", Token);
        using var cancellation = new CancellationTokenSource();
        var cancel = Executor.CancelAsync(id, cancellation.Token);
        await cancellation.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => cancel);
        (await WaitAsync(id)).Reason.Should().Be(TerminationReason.Cancelled);
    }

    [Fact]
    public async Task Cancelling_the_token_of_run_cancels_the_execution_before_it_throws()
    {
        var request = Track(Request(OnSignal(Signal.Terminate, Print("stopping\n"), Exit(3)), Print("ready\n"), Hang()));
        using var cancellation = CancellationTokenSource.CreateLinkedTokenSource(Token);
        using var events = new CancellationTokenSource();
        var run = Executor.RunAsync(request, cancellation.Token);
        await WaitUntilKnownAsync(request.ExecutionId);
        await Executor.WaitForOutputAsync(request.ExecutionId, "ready\n", Token);
        await cancellation.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => run);

        (await Executor.GetStatusAsync(request.ExecutionId, Token)).IsTerminal.Should().BeTrue();
        var result = await WaitAsync(request.ExecutionId);
        result.Reason.Should().Be(TerminationReason.Cancelled);
        result.ExitCode.Should().Be(3);
        result.Stdout.Text.Should().Be("ready\nstopping\n");
    }

    [Fact]
    public async Task A_preparation_can_be_cancelled_and_leaves_no_trace()
    {
        Assert.SkipWhen(Fixture.SpecThatNeverGetsPrepared is null, "No preparation takes long on this backend.");
        var request = Track(Request(Fixture.SpecThatNeverGetsPrepared));
        var start = Executor.StartAsync(request, Token);
        await WaitUntilKnownAsync(request.ExecutionId);
        var waiter = Executor.WaitAsync(request.ExecutionId, Token);

        await Executor.CancelAsync(request.ExecutionId, Token);
        await Refusal(ErrorCode.Cancelled, () => start);
        await Refusal(ErrorCode.Cancelled, () => waiter);
        await Refusal(ErrorCode.ExecutionNotFound, () => Executor.GetStatusAsync(request.ExecutionId, Token));
        (await RunAsync(Request(Exit(8)) with { ExecutionId = request.ExecutionId })).ExitCode.Should().Be(8);
    }

    [Fact]
    public async Task Cancelling_the_token_of_start_undoes_the_preparation()
    {
        Assert.SkipWhen(Fixture.SpecThatNeverGetsPrepared is null, "No preparation takes long on this backend.");
        var request = Track(Request(Fixture.SpecThatNeverGetsPrepared));
        using var cancellation = CancellationTokenSource.CreateLinkedTokenSource(Token);
        var start = Executor.StartAsync(request, cancellation.Token);
        await WaitUntilKnownAsync(request.ExecutionId);
        await cancellation.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => start);
        await Refusal(ErrorCode.ExecutionNotFound, () => Executor.GetStatusAsync(request.ExecutionId, Token));
    }

    [Fact]
    public async Task What_needs_a_running_job_is_refused_while_it_is_prepared()
    {
        Assert.SkipWhen(Fixture.SpecThatNeverGetsPrepared is null, "No preparation takes long on this backend.");
        var request = Track(Request(Fixture.SpecThatNeverGetsPrepared));
        var start = Executor.StartAsync(request, Token);
        var id = request.ExecutionId;
        await WaitUntilKnownAsync(id);
        (await Executor.GetStatusAsync(id, Token)).Status.Should().Be(ExecutionStatus.Pending);
        await Refusal(ErrorCode.InvalidState, () => Executor.SignalAsync(id, Signal.User1, Token));
        await Refusal(ErrorCode.InvalidState, () => Executor.PauseAsync(id, Token));
        await Refusal(ErrorCode.InvalidState, () => Executor.ResumeAsync(id, Token));
        await Refusal(ErrorCode.InvalidState, () => Executor.ExecAsync(id, new ExecRequest { Command = ["true"] }, Token));
        await Refusal(ErrorCode.ExecutionAlreadyStarted, () => Executor.StartAsync(request, Token));

        await Executor.RemoveAsync(id, TimeSpan.FromSeconds(30), Token);
        await Refusal(ErrorCode.Cancelled, () => start);
    }

    /// <summary>The id is reserved on the way into start, which may run on another thread.</summary>
    private async Task WaitUntilKnownAsync(ExecutionId id)
    {
        while ((await Executor.ListAsync(null, Token)).All(i => i.ExecutionId != id))
            await Task.Delay(TimeSpan.FromMilliseconds(5), TimeProvider.System, Token);
    }
}
