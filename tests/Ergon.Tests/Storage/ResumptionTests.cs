using Ergon.Conformance;

namespace Ergon.Tests.Storage;

/// <summary>What a later process and a later watcher come to know.</summary>
public sealed class ResumptionTests : StoreTests
{
    [Fact]
    public async Task Events_are_watched_from_an_earlier_one_on_without_gap_or_repetition()
    {
        var executor = Create();
        for (var i = 0; i < 5; i++) await executor.RunAsync(Request(Exit(0)), Token);
        await using var events = executor.WatchAsync(new WatchRequest { After = 2 }, Token).GetAsyncEnumerator(Token);
        var load = Task.Run(() => Task.WhenAll(Enumerable.Range(0, 20).Select(_ => executor.RunAsync(Request(Exit(0)), Token))), Token);
        List<ExecutionEvent> seen = [];
        while (seen.Count < 73 && await events.MoveNextAsync())
            if (events.Current.Type != ExecutionEventType.Progress) seen.Add(events.Current);
        await load;
        seen.Select(e => e.Sequence).Should().Equal(Enumerable.Range(3, 73).Select(i => (long)i));
    }

    [Fact]
    public async Task Events_are_numbered_on_after_a_restart_and_those_before_it_are_still_told()
    {
        var request = Request(Exit(0));
        var first = Create();
        await first.RunAsync(request, Token);
        await first.DisposeAsync();

        var second = Create();
        await second.RecoverAsync(Token);
        await second.RemoveAsync(request.ExecutionId, TimeSpan.FromMinutes(10), Token);
        await using var events = second.WatchAsync(new WatchRequest { After = 0 }, Token).GetAsyncEnumerator(Token);
        var seen = await events.ReadUntilAsync(ExecutionEventType.Removed);
        seen.Select(e => (e.Sequence, e.Type)).Should().Equal(
            (1, ExecutionEventType.Created), (2, ExecutionEventType.Started), (3, ExecutionEventType.Concluded), (4, ExecutionEventType.Removed));
    }

    [Fact]
    public async Task A_log_that_an_earlier_version_left_in_a_directory_of_its_own_is_read_and_released()
    {
        var request = Request(Print("before"), Exit(0));
        var first = Create();
        await first.RunAsync(request, Token);
        await first.DisposeAsync();
        var former = Directory.CreateDirectory(Path.Combine(DirectoryOf(request.ExecutionId), "log")).FullName;
        foreach (var name in new[] { "stdout", "index" }) File.Move(Path.Combine(DirectoryOf(request.ExecutionId), name), Path.Combine(former, name));

        var second = Create();
        await second.RecoverAsync(Token);
        (await second.ReadStdoutAsync(request.ExecutionId, Token)).Should().Be("before");
        Directory.Exists(former).Should().BeFalse();
    }

    [Fact]
    public async Task The_events_of_one_execution_end_with_its_last_one_also_when_they_are_past()
    {
        var executor = Create();
        var request = Request(Exit(0));
        await executor.RunAsync(Request(Exit(0)), Token);
        await executor.RunAsync(request, Token);
        List<ExecutionEventType> seen = [];
        await foreach (var e in executor.WatchAsync(new WatchRequest { ExecutionId = request.ExecutionId, After = 0 }, Token)) seen.Add(e.Type);
        seen.Should().Equal(ExecutionEventType.Created, ExecutionEventType.Started, ExecutionEventType.Concluded);
    }

    [Fact]
    public async Task Events_that_cannot_be_are_refused()
    {
        var executor = Create();
        await Fails(ErrorCode.InvalidRequest, () => WatchAsync(executor, 1000));
        await Fails(ErrorCode.InvalidRequest, () => WatchAsync(executor, -1));
        await using var forgetful = new Executor(new InMemory.InMemoryDriver(Backend));
        await Fails(ErrorCode.NotSupported, () => WatchAsync(forgetful, 0));
    }

    [Fact]
    public async Task A_job_that_was_being_cancelled_ends_as_cancelled_in_the_next_process()
    {
        var first = Create();
        var request = Request(OnSignal(Signal.Terminate, Print("stopping\n"), Exit(0)), Print("ready\n"), Hang());
        await first.StartAsync(request, Token);
        await first.WaitForOutputAsync(request.ExecutionId, "ready\n", Token);
        // From here on the first process gets nothing stored any more, as if it were killed.
        var hold = Hold.Before(Store, change => change.Result is not null || change.Event is not null);
        _ = first.CancelAsync(request.ExecutionId, Token);
        await hold.Reached.WaitAsync(Token);
        Store.Changes[^1].Stopping.Should().Be(TerminationReason.Cancelled);

        var stored = (await Store.LoadAsync("stores", Token)).Executions.Should().ContainSingle().Subject;
        stored.Info.Status.Should().Be(ExecutionStatus.Running);
        stored.Stopping.Should().Be(TerminationReason.Cancelled);
        Store.Before = static change => Task.FromException(MemoryExecutionStore.Full(change.Info.ExecutionId));
        hold.Fail(MemoryExecutionStore.Full(request.ExecutionId));
        await first.DisposeAsync();

        Store.Before = static _ => Task.CompletedTask;
        var second = Create();
        await second.RecoverAsync(Token);
        var result = await second.WaitAsync(request.ExecutionId, Token);
        result.Reason.Should().Be(TerminationReason.Cancelled);
        result.Stdout.Text.Should().Be("ready\nstopping\n");
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task Time_in_which_a_job_was_paused_does_not_count_as_run_time_after_a_restart(bool store)
    {
        var time = new Microsoft.Extensions.Time.Testing.FakeTimeProvider(new DateTimeOffset(2030, 1, 1, 0, 0, 0, TimeSpan.Zero));
        Executor CreateTimed() => Create(o => o with { Store = store ? Store : null, DataDirectory = Path.Combine(o.DataDirectory!, "timed") }, time);
        var request = Request(Hang()) with { Timeouts = new Timeouts { Run = TimeSpan.FromMinutes(10), StopGrace = TimeSpan.Zero } };
        var first = CreateTimed();
        await first.StartAsync(request, Token);
        time.Advance(TimeSpan.FromMinutes(4));
        await first.PauseAsync(request.ExecutionId, Token);
        time.Advance(TimeSpan.FromHours(1));
        await first.ResumeAsync(request.ExecutionId, Token);
        time.Advance(TimeSpan.FromMinutes(1));
        await first.PauseAsync(request.ExecutionId, Token);
        time.Advance(TimeSpan.FromHours(1));
        await first.DisposeAsync();

        await using var second = CreateTimed();
        await second.RecoverAsync(Token);
        time.Advance(TimeSpan.FromHours(1));
        await second.ResumeAsync(request.ExecutionId, Token);
        time.Advance(TimeSpan.FromMinutes(5) - TimeSpan.FromSeconds(1));
        (await second.GetStatusAsync(request.ExecutionId, Token)).Status.Should().Be(ExecutionStatus.Running);
        time.Advance(TimeSpan.FromSeconds(1));
        (await second.WaitAsync(request.ExecutionId, Token)).Reason.Should().Be(TerminationReason.TimedOut);
        await second.CleanupAsync(Token);
    }

    [Fact]
    public async Task What_was_recorded_in_files_is_not_reaped_by_an_executor_with_a_store()
    {
        var request = Request(Hang());
        await using (var files = Create(o => o with { Store = null })) await files.StartAsync(request, Token);
        await using (var other = Create())
            (await Fails(ErrorCode.StorageFailed, () => other.RecoverAsync(Token))).Message.Should().Contain(DirectoryOf(request.ExecutionId));
        Backend.List().Should().ContainSingle();
        await using var again = Create(o => o with { Store = null });
        await again.RecoverAsync(Token);
        await again.CleanupAsync(Token);
    }

    private async Task WatchAsync(Executor executor, long after)
    {
        await foreach (var e in executor.WatchAsync(new WatchRequest { After = after }, Token)) Assert.Fail($"{e} was told.");
    }
}
