using Ergon.Conformance;
using Ergon.Tests.InMemory;

namespace Ergon.Tests.Faults;

/// <summary>A driver that fails when a running job is controlled or looked at.</summary>
public sealed class ControlFaultTests : FaultTests
{
    [Theory]
    [InlineData(DriverCall.Signal, Fault.Throws, ErrorCode.BackendFailed)]
    [InlineData(DriverCall.Signal, Fault.Hangs, ErrorCode.BackendUnavailable)]
    [InlineData(DriverCall.Signal, Fault.HangsForGood, ErrorCode.BackendUnavailable)]
    [InlineData(DriverCall.Pause, Fault.Throws, ErrorCode.BackendFailed)]
    [InlineData(DriverCall.Pause, Fault.Hangs, ErrorCode.BackendUnavailable)]
    [InlineData(DriverCall.Pause, Fault.HangsForGood, ErrorCode.BackendUnavailable)]
    [InlineData(DriverCall.Exec, Fault.Throws, ErrorCode.BackendFailed)]
    [InlineData(DriverCall.Exec, Fault.Hangs, ErrorCode.BackendUnavailable)]
    [InlineData(DriverCall.Exec, Fault.HangsForGood, ErrorCode.BackendUnavailable)]
    [InlineData(DriverCall.Stats, Fault.Throws, ErrorCode.BackendFailed)]
    public async Task A_call_that_fails_leaves_the_job_running(DriverCall call, Fault fault, ErrorCode expected)
    {
        Driver.With(call, fault);
        var id = await StartAsync(WaitForSignal(Signal.User1), Exit(6));
        await Executor.WaitForOutputAsync(id, "waiting\n", Token);
        await Fails(expected, () => CallAsync(call, id));
        (await Executor.GetStatusAsync(id, Token)).Status.Should().Be(ExecutionStatus.Running);

        Driver.Heal();
        await Executor.SignalAsync(id, Signal.User1, Token);
        (await Executor.WaitAsync(id, Token)).ExitCode.Should().Be(6);
    }

    [Theory]
    [InlineData(Fault.Throws, ErrorCode.BackendFailed)]
    [InlineData(Fault.Hangs, ErrorCode.BackendUnavailable)]
    [InlineData(Fault.HangsForGood, ErrorCode.BackendUnavailable)]
    public async Task A_resume_that_fails_leaves_the_job_paused_and_it_can_be_cancelled(Fault fault, ErrorCode expected)
    {
        Driver.With(DriverCall.Resume, fault);
        var id = await StartAsync(Hang());
        await Executor.PauseAsync(id, Token);
        await Fails(expected, () => Executor.ResumeAsync(id, Token));
        (await Executor.GetStatusAsync(id, Token)).Status.Should().Be(ExecutionStatus.Paused);
        await Executor.CancelAsync(id, Token).WaitAsync(Token);
        (await Executor.WaitAsync(id, Token)).Reason.Should().Be(TerminationReason.Cancelled);
    }

    [Theory]
    [InlineData(Fault.Hangs)]
    [InlineData(Fault.HangsForGood)]
    public async Task Numbers_that_never_come_can_be_given_up(Fault fault)
    {
        Driver.With(DriverCall.Stats, fault);
        var id = await StartAsync(Hang());
        using var cancellation = CancellationTokenSource.CreateLinkedTokenSource(Token);
        var stats = CallAsync(DriverCall.Stats, id, cancellation.Token);
        await cancellation.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => stats.WaitAsync(Token));
        Token.IsCancellationRequested.Should().BeFalse();
    }

    [Fact]
    public async Task Numbers_that_never_come_end_with_the_execution()
    {
        Driver.With(DriverCall.Stats, Fault.HangsForGood);
        var id = await StartAsync(Hang());
        var stats = CallAsync(DriverCall.Stats, id);
        await Executor.CancelAsync(id, Token);
        await stats.WaitAsync(Token);
    }

    [Theory]
    [InlineData(DriverCall.Signal)]
    [InlineData(DriverCall.Pause)]
    [InlineData(DriverCall.Exec)]
    public async Task A_call_that_hangs_can_be_given_up(DriverCall call)
    {
        Driver.With(call, Fault.Hangs);
        var id = await StartAsync(Hang());
        using var cancellation = CancellationTokenSource.CreateLinkedTokenSource(Token);
        var hanging = CallAsync(call, id, cancellation.Token);
        await cancellation.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => hanging.WaitAsync(Token));
        (await Executor.GetStatusAsync(id, Token)).Status.Should().Be(ExecutionStatus.Running);
    }

    [Fact]
    public async Task A_pause_that_hangs_does_not_keep_the_job_from_ending()
    {
        Driver.With(DriverCall.Pause, Fault.HangsForGood);
        var id = await StartAsync(Hang());
        var pause = Executor.PauseAsync(id, Token);
        await Executor.CancelAsync(id, Token).WaitAsync(Token);
        await Assert.ThrowsAsync<ExecutorException>(() => pause.WaitAsync(Token));
        (await Executor.WaitAsync(id, Token)).Reason.Should().Be(TerminationReason.Cancelled);
    }

    [Fact]
    public async Task A_removal_takes_no_longer_than_it_may()
    {
        Driver.With(DriverCall.Wait, Fault.HangsForGood).With(DriverCall.Kill, Fault.HangsForGood);
        var id = await StartAsync(Hang());
        var error = await Fails(ErrorCode.WaitTimedOut, () => Executor.RemoveAsync(id, TimeSpan.FromSeconds(1), Token));
        error.IsTransient.Should().BeTrue();
        await Executor.RemoveAsync(id, TimeSpan.FromMinutes(10), Token).WaitAsync(Token);
        await Fails(ErrorCode.ExecutionNotFound, () => Executor.GetStatusAsync(id, Token));
    }

    [Theory]
    [InlineData(Fault.Throws)]
    [InlineData(Fault.Hangs)]
    [InlineData(Fault.HangsForGood)]
    public async Task A_backend_that_cannot_be_looked_at_is_not_available(Fault fault)
    {
        Driver.With(DriverCall.Fingerprint, fault);
        var fingerprint = await Executor.FingerprintAsync(Token).WaitAsync(Token);
        fingerprint.Available.Should().BeFalse();
        fingerprint.Executor.Should().Be(InMemoryDriver.DriverName);
        fingerprint.Problems.Should().ContainSingle().Which.Remedy.Should().NotBeEmpty();
    }

    [Theory]
    [InlineData(Fault.Throws, ErrorCode.BackendFailed)]
    [InlineData(Fault.Hangs, ErrorCode.BackendUnavailable)]
    [InlineData(Fault.HangsForGood, ErrorCode.BackendUnavailable)]
    public async Task A_cleanup_that_fails_says_so_and_can_be_done_again(Fault fault, ErrorCode expected)
    {
        Driver.With(DriverCall.Cleanup, fault);
        var id = await StartAsync(Hang());
        await Fails(expected, () => Executor.CleanupAsync(Token));
        Driver.Heal();
        Driver.Release();
        await Executor.CleanupAsync(Token);
        await NothingIsLeftOf(id);
    }

    [Theory]
    [InlineData(Fault.Throws)]
    [InlineData(Fault.HangsForGood)]
    public async Task An_executor_can_be_disposed_although_its_driver_cannot(Fault fault)
    {
        Driver.With(DriverCall.DisposeDriver, fault);
        var id = await StartAsync(Hang());
        var waiter = Executor.WaitAsync(id, Token);
        await Executor.DisposeAsync().AsTask().WaitAsync(Token);
        (await waiter).Reason.Should().Be(TerminationReason.Cancelled);

        // The data directory is free again.
        await using var next = new Executor(new InMemoryDriver(Backend), Options);
        await next.RecoverAsync(Token);
    }

    [Theory]
    [InlineData(DriverCall.Attach, Fault.Throws, ErrorCode.BackendFailed)]
    [InlineData(DriverCall.Attach, Fault.Hangs, ErrorCode.BackendUnavailable)]
    [InlineData(DriverCall.Cleanup, Fault.Throws, ErrorCode.BackendFailed)]
    public async Task A_recovery_that_fails_can_be_done_again(DriverCall call, Fault fault, ErrorCode expected)
    {
        var options = Options with { ExecutorId = "recovered", DisposeBehavior = DisposeBehavior.Detach };
        var request = Request(WaitForSignal(Signal.User1), Exit(7)) with { Timeouts = new Timeouts { Prepare = TimeSpan.FromSeconds(20) } };
        await using (var first = new Executor(new InMemoryDriver(Backend), options)) await first.StartAsync(request, Token);

        var driver = new FaultyDriver(new InMemoryDriver(Backend)).With(call, fault);
        await using var second = new Executor(driver, options with { DisposeBehavior = DisposeBehavior.Cancel }, timeProvider: new FastTime());
        await Fails(expected, () => second.RecoverAsync(Token));
        driver.Heal();
        await second.RecoverAsync(Token);
        await second.WaitForOutputAsync(request.ExecutionId, "waiting\n", Token);
        await second.SignalAsync(request.ExecutionId, Signal.User1, Token);
        (await second.WaitAsync(request.ExecutionId, Token)).ExitCode.Should().Be(7);
    }

    [Fact]
    public async Task Progress_that_comes_after_the_start_is_dropped()
    {
        var id = await StartAsync(Hang());
        await using var events = Executor.WatchAsync(null, Token).GetAsyncEnumerator(Token);
        Driver.Progress!(new PrepareProgress("late"));
        await Executor.CancelAsync(id, Token);
        var seen = await events.ReadUntilAsync(ExecutionEventType.Concluded);
        seen.Should().ContainSingle();
    }

    private Task CallAsync(DriverCall call, ExecutionId id, CancellationToken? token = null) => call switch
    {
        DriverCall.Signal => Executor.SignalAsync(id, Signal.User1, token ?? Token),
        DriverCall.Pause => Executor.PauseAsync(id, token ?? Token),
        DriverCall.Exec => Executor.ExecAsync(id, new ExecRequest { Command = ["true"] }, token ?? Token),
        DriverCall.Stats => ReadStatsAsync(id, token ?? Token),
        _ => throw new ArgumentOutOfRangeException(nameof(call)),
    };

    private async Task ReadStatsAsync(ExecutionId id, CancellationToken token)
    {
        await foreach (var sample in Executor.GetStatsAsync(id, token)) sample.CpuTime.Should().BeGreaterThanOrEqualTo(TimeSpan.Zero);
    }
}
