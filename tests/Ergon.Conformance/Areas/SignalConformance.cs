namespace Ergon.Conformance;

/// <summary>Signals to the job, and the job's own.</summary>
public abstract class SignalConformance(ConformanceFixture fixture) : ConformanceTests(fixture)
{
    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(10)]
    [InlineData(15)]
    public async Task A_signal_reaches_the_job(int number)
    {
        var id = await StartAsync(WaitForSignal(new Signal(number)), Print("got it\n"), Exit(4));
        await Executor.WaitForOutputAsync(id, "waiting\n", Token);
        await Executor.SignalAsync(id, new Signal(number), Token);
        var result = await WaitAsync(id);
        result.Stdout.Text.Should().Be("waiting\ngot it\n");
        result.Reason.Should().Be(TerminationReason.Exited);
        result.ExitCode.Should().Be(4);
    }

    [Fact]
    public async Task A_job_that_handles_a_signal_runs_on()
    {
        var id = await StartAsync(OnSignal(Signal.User1, Print("handled\n")), OnSignal(Signal.Hangup, Exit(0)), Print("ready\n"), Hang());
        await Executor.WaitForOutputAsync(id, "ready\n", Token);
        await Executor.SignalAsync(id, Signal.User1, Token);
        await Executor.WaitForOutputAsync(id, "handled\n", Token);
        (await Executor.GetStatusAsync(id, Token)).Status.Should().Be(ExecutionStatus.Running);
        await Executor.SignalAsync(id, Signal.Hangup, Token);
        (await WaitAsync(id)).ExitCode.Should().Be(0);
    }

    [Fact]
    public async Task A_kill_sent_through_the_executor_is_reported_as_a_signal()
    {
        var id = await StartAsync(Print("ready\n"), Hang());
        await Executor.WaitForOutputAsync(id, "ready\n", Token);
        await Executor.SignalAsync(id, Signal.Kill, Token);
        var result = await WaitAsync(id);
        result.Status.Should().Be(ExecutionStatus.Failed);
        result.Reason.Should().Be(TerminationReason.Signaled);
        result.Signal.Should().Be(Signal.Kill);
        result.ExitCode.Should().Be(137);
        result.Killed.Should().BeFalse();
    }

    [Fact]
    public async Task A_signal_that_a_job_sends_itself_is_reported_as_far_as_the_backend_knows()
    {
        // The first process of a container cannot signal itself to death: a child does, and the shell passes its code on.
        var result = Can.ExactSignals ? await RunAsync(KillSelf(Signal.User1), Hang()) : await RunAsync(Exit(138));
        result.ExitCode.Should().Be(138);
        result.Reason.Should().Be(Can.ExactSignals ? TerminationReason.Signaled : TerminationReason.Exited);
        result.Signal.Should().Be(Can.ExactSignals ? Signal.User1 : null);
        result.Killed.Should().BeFalse();
    }

    [Fact]
    public async Task A_job_killed_past_the_executor_was_killed_externally()
    {
        var id = await StartAsync(Print("ready\n"), Hang());
        await Executor.WaitForOutputAsync(id, "ready\n", Token);
        Assert.SkipUnless(await Fixture.KillExternallyAsync(Executor.ExecutorId, id, Token), "Nobody can tell who killed a job on this backend.");
        var result = await WaitAsync(id);
        result.Reason.Should().Be(TerminationReason.KilledExternally);
        result.Status.Should().Be(ExecutionStatus.Failed);
        result.Killed.Should().BeTrue();
        result.Stdout.Text.Should().Be("ready\n");
    }

    [Theory]
    [InlineData(0)]
    [InlineData(-1)]
    [InlineData(65)]
    public async Task A_number_that_is_no_signal_is_refused(int number)
    {
        var id = await StartAsync(Hang());
        await Refusal(ErrorCode.InvalidRequest, () => Executor.SignalAsync(id, new Signal(number), Token));
        (await Executor.GetStatusAsync(id, Token)).Status.Should().Be(ExecutionStatus.Running);
    }

    [Fact]
    public async Task A_concluded_job_cannot_be_signalled()
    {
        var request = Request(Exit(0));
        await RunAsync(request);
        await Refusal(ErrorCode.ExecutionAlreadyConcluded, () => Executor.SignalAsync(request.ExecutionId, Signal.User1, Token));
    }
}
