namespace Ergon.Conformance;

/// <summary>Waiters: any number, at any time.</summary>
public abstract class WaitingConformance(ConformanceFixture fixture) : ConformanceTests(fixture)
{
    [Fact]
    public async Task Twenty_waiters_get_the_same_result()
    {
        var id = await StartAsync(WaitForSignal(Signal.User1), Print("done"), Exit(3));
        var waiters = Enumerable.Range(0, 20).Select(_ => WaitAsync(id)).ToList();
        await Executor.WaitForOutputAsync(id, "waiting\n", Token);
        waiters.Should().OnlyContain(w => !w.IsCompleted);
        await Executor.SignalAsync(id, Signal.User1, Token);
        foreach (var result in await Task.WhenAll(waiters))
        {
            result.ExitCode.Should().Be(3);
            result.Stdout.Text.Should().Be("waiting\ndone");
        }
    }

    [Fact]
    public async Task Waiting_after_the_end_gives_the_retained_result_every_time()
    {
        var request = Request(Print("kept"), Exit(6));
        var first = await RunAsync(request);
        for (var i = 0; i < 3; i++)
        {
            var again = await WaitAsync(request.ExecutionId);
            again.Should().BeEquivalentTo(first, options => options.Excluding(r => r.Stdout.Bytes).Excluding(r => r.Stderr.Bytes));
            again.Stdout.Text.Should().Be("kept");
        }
    }

    [Fact]
    public async Task Cancelling_one_waiter_disturbs_neither_the_others_nor_the_execution()
    {
        var id = await StartAsync(WaitForSignal(Signal.User1), Exit(2));
        using var cancellation = new CancellationTokenSource();
        var impatient = Executor.WaitAsync(id, cancellation.Token);
        var patient = WaitAsync(id);
        await cancellation.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => impatient);
        (await Executor.GetStatusAsync(id, Token)).Status.Should().Be(ExecutionStatus.Running);

        await Executor.WaitForOutputAsync(id, "waiting\n", Token);
        await Executor.SignalAsync(id, Signal.User1, Token);
        (await patient).ExitCode.Should().Be(2);
    }

    [Fact]
    public async Task Waiting_for_a_status_that_it_has_returns_at_once()
    {
        var id = await StartAsync(Hang());
        (await Executor.WaitForStatusAsync(id, ExecutionStatus.Running, TimeSpan.Zero, Token)).Status.Should().Be(ExecutionStatus.Running);
    }

    [Fact]
    public async Task Waiting_for_a_status_completes_when_it_is_reached()
    {
        var id = await StartAsync(WaitForSignal(Signal.User1), Exit(1));
        var waiter = Executor.WaitForStatusAsync(id, ExecutionStatus.Failed, TimeSpan.FromMinutes(1), Token);
        await Executor.WaitForOutputAsync(id, "waiting\n", Token);
        waiter.IsCompleted.Should().BeFalse();
        await Executor.SignalAsync(id, Signal.User1, Token);
        var info = await waiter;
        info.Status.Should().Be(ExecutionStatus.Failed);
        info.ExitCode.Should().Be(1);
        info.Reason.Should().Be(TerminationReason.Exited);
    }

    [Fact]
    public async Task Waiting_for_a_status_ends_when_the_time_is_over()
    {
        var id = await StartAsync(Hang());
        await Refusal(ErrorCode.WaitTimedOut, () => Executor.WaitForStatusAsync(id, ExecutionStatus.Failed, TimeSpan.FromMilliseconds(50), Token));
        (await Executor.GetStatusAsync(id, Token)).Status.Should().Be(ExecutionStatus.Running);
    }

    [Fact]
    public async Task Waiting_for_a_status_that_cannot_come_any_more_is_an_error()
    {
        var request = Request(Exit(0));
        await RunAsync(request);
        await Refusal(
            ErrorCode.InvalidState,
            () => Executor.WaitForStatusAsync(request.ExecutionId, ExecutionStatus.Failed, TimeSpan.FromMinutes(1), Token));
    }
}
