namespace Ergon.Conformance;

/// <summary>Deadlines of preparation and run.</summary>
public abstract class TimeoutConformance(ConformanceFixture fixture) : ConformanceTests(fixture)
{
    [Fact]
    public async Task A_job_that_runs_longer_than_it_may_has_timed_out_and_its_output_is_kept()
    {
        var result = await RunAsync(Request(Print("before\n"), PrintError("also before\n"), Hang()) with { Timeouts = After(Fixture.FirstSteps) });
        result.Status.Should().Be(ExecutionStatus.Failed);
        result.Reason.Should().Be(TerminationReason.TimedOut);
        result.Killed.Should().BeTrue();
        result.Error.Should().NotBeNullOrEmpty();
        result.Stdout.Text.Should().Be("before\n");
        result.Stderr.Text.Should().Be("also before\n");
        (result.FinishedAt - result.StartedAt).Should().BeGreaterThan(TimeSpan.FromSeconds(0.9));
    }

    [Fact]
    public async Task A_job_that_times_out_is_asked_to_stop_before_it_is_killed()
    {
        var result = await RunAsync(Request(OnSignal(Signal.Terminate, Print("saved\n"), Exit(0)), Print("ready\n"), Hang()) with
        {
            Timeouts = After(Fixture.FirstSteps) with { StopGrace = TimeSpan.FromMinutes(1) },
        });
        result.Reason.Should().Be(TerminationReason.TimedOut);
        result.Status.Should().Be(ExecutionStatus.Failed);
        result.Stdout.Text.Should().Be("ready\nsaved\n");
    }

    [Fact]
    public async Task A_job_that_ends_in_time_does_not_time_out()
    {
        var result = await RunAsync(Request(Exit(2)) with { Timeouts = After(TimeSpan.FromMinutes(1)) });
        result.Reason.Should().Be(TerminationReason.Exited);
        result.ExitCode.Should().Be(2);
    }

    [Fact]
    public async Task The_run_timeout_stands_still_while_the_job_is_paused()
    {
        var request = Request(WaitForSignal(Signal.User1), Exit(5)) with { Timeouts = After(TimeSpan.FromSeconds(4)) };
        if (!Can.Pause)
        {
            var running = await StartAsync(request);
            await Refusal(ErrorCode.NotSupported, () => Executor.PauseAsync(running, Token));
            return;
        }

        var id = await StartAsync(request);
        await Executor.WaitForOutputAsync(id, "waiting\n", Token);
        await Executor.PauseAsync(id, Token);
        await Task.Delay(TimeSpan.FromSeconds(4.5), TimeProvider.System, Token);
        (await Executor.GetStatusAsync(id, Token)).Status.Should().Be(ExecutionStatus.Paused);
        await Executor.ResumeAsync(id, Token);
        await Executor.SignalAsync(id, Signal.User1, Token);
        var result = await WaitAsync(id);
        result.Reason.Should().Be(TerminationReason.Exited);
        result.ExitCode.Should().Be(5);
    }

    [Fact]
    public async Task A_job_that_is_thawed_can_still_time_out()
    {
        var request = Request(Print("ready\n"), Hang()) with { Timeouts = After(Fixture.FirstSteps + TimeSpan.FromSeconds(1)) };
        var id = await StartAsync(request);
        await Executor.WaitForOutputAsync(id, "ready\n", Token);
        if (Can.Pause)
        {
            await Executor.PauseAsync(id, Token);
            await Executor.ResumeAsync(id, Token);
        }

        (await WaitAsync(id)).Reason.Should().Be(TerminationReason.TimedOut);
    }

    [Fact]
    public async Task A_preparation_that_takes_too_long_fails_the_start_and_leaves_no_trace()
    {
        Assert.SkipWhen(Fixture.SpecThatNeverGetsPrepared is null, "No preparation takes long on this backend.");
        var request = Track(Request(Fixture.SpecThatNeverGetsPrepared) with
        {
            Timeouts = new Timeouts { Prepare = TimeSpan.FromSeconds(1) },
        });
        var error = await Refusal(ErrorCode.PrepareTimedOut, () => Executor.StartAsync(request, Token));
        error.IsTransient.Should().BeTrue();
        await Refusal(ErrorCode.ExecutionNotFound, () => Executor.GetStatusAsync(request.ExecutionId, Token));
    }

    private static Timeouts After(TimeSpan run) => new() { Run = run, StopGrace = TimeSpan.FromSeconds(1) };
}
