namespace Ergon.Conformance;

/// <summary>Freezing and thawing.</summary>
public abstract class PausingConformance(ConformanceFixture fixture) : ConformanceTests(fixture)
{
    [Fact]
    public async Task A_paused_job_does_nothing_and_a_resumed_one_goes_on()
    {
        var id = await StartAsync(Tick());
        await Executor.WaitForOutputAsync(id, "2\n", Token);
        if (await PausingIsRefusedAsync(id)) return;

        await Executor.PauseAsync(id, Token);
        // What was written before the pause may still be on its way.
        await Task.Delay(TimeSpan.FromMilliseconds(300), TimeProvider.System, Token);
        var before = await Executor.ReadStdoutAsync(id, Token);
        await Task.Delay(TimeSpan.FromMilliseconds(500), TimeProvider.System, Token);
        (await Executor.ReadStdoutAsync(id, Token)).Should().Be(before);

        await Executor.ResumeAsync(id, Token);
        var next = before.Count(c => c == '\n') + 1;
        await Executor.WaitForOutputAsync(id, $"\n{next}\n", Token);
    }

    [Fact]
    public async Task A_job_that_was_resumed_can_still_be_reached()
    {
        var id = await StartAsync(WaitForSignal(Signal.User1), Exit(3));
        await Executor.WaitForOutputAsync(id, "waiting\n", Token);
        if (await PausingIsRefusedAsync(id)) return;
        await Executor.PauseAsync(id, Token);
        await Executor.ResumeAsync(id, Token);

        if (Can.Exec)
        {
            await using var session = await Executor.ExecAsync(id, new ExecRequest { Command = Fixture.Command(new TestJob { Steps = [Exit(4)] }) }, Token);
            (await session.WaitAsync(Token)).Should().Be(4);
        }

        await Executor.SignalAsync(id, Signal.User1, Token);
        (await WaitAsync(id)).ExitCode.Should().Be(3);
    }

    [Fact]
    public async Task Pause_and_resume_change_the_status()
    {
        var id = await StartAsync(Hang());
        if (await PausingIsRefusedAsync(id)) return;
        await Executor.PauseAsync(id, Token);
        (await Executor.GetStatusAsync(id, Token)).Status.Should().Be(ExecutionStatus.Paused);
        await Executor.ResumeAsync(id, Token);
        (await Executor.GetStatusAsync(id, Token)).Status.Should().Be(ExecutionStatus.Running);
    }

    [Fact]
    public async Task Only_a_running_job_can_be_paused_and_only_a_paused_one_resumed()
    {
        var id = await StartAsync(Hang());
        if (await PausingIsRefusedAsync(id)) return;
        await Refusal(ErrorCode.InvalidState, () => Executor.ResumeAsync(id, Token));
        await Executor.PauseAsync(id, Token);
        await Refusal(ErrorCode.InvalidState, () => Executor.PauseAsync(id, Token));
    }

    [Fact]
    public async Task A_concluded_job_can_be_neither_paused_nor_resumed()
    {
        var request = Request(Exit(0));
        await RunAsync(request);
        await Refusal(ErrorCode.ExecutionAlreadyConcluded, () => Executor.PauseAsync(request.ExecutionId, Token));
        await Refusal(ErrorCode.ExecutionAlreadyConcluded, () => Executor.ResumeAsync(request.ExecutionId, Token));
    }

    [Fact]
    public async Task A_paused_job_can_be_cancelled()
    {
        var id = await StartAsync(Print("ready\n"), Hang());
        await Executor.WaitForOutputAsync(id, "ready\n", Token);
        if (await PausingIsRefusedAsync(id)) return;
        await Executor.PauseAsync(id, Token);
        await Executor.CancelAsync(id, Token);
        var result = await WaitAsync(id);
        result.Reason.Should().Be(TerminationReason.Cancelled);
        result.Stdout.Text.Should().Be("ready\n");
    }

    [Fact]
    public async Task A_paused_job_can_be_removed()
    {
        var id = await StartAsync(Hang());
        if (await PausingIsRefusedAsync(id)) return;
        await Executor.PauseAsync(id, Token);
        await Executor.RemoveAsync(id, TimeSpan.FromSeconds(30), Token);
        await Refusal(ErrorCode.ExecutionNotFound, () => Executor.GetStatusAsync(id, Token));
    }

    [Fact]
    public async Task No_command_can_be_run_inside_a_paused_job()
    {
        var id = await StartAsync(Hang());
        if (await PausingIsRefusedAsync(id)) return;
        await Executor.PauseAsync(id, Token);
        var command = Fixture.Command(new TestJob { Steps = [Exit(0)] });
        await Refusal(ErrorCode.InvalidState, () => Executor.ExecAsync(id, new ExecRequest { Command = command }, Token));
    }

    private async Task<bool> PausingIsRefusedAsync(ExecutionId id)
    {
        if (Can.Pause) return false;
        await Refusal(ErrorCode.NotSupported, () => Executor.PauseAsync(id, Token));
        return true;
    }
}
