namespace Ergon.Conformance;

/// <summary>Looking at executions: snapshots, lists, events.</summary>
public abstract class StatusAndEventConformance(ConformanceFixture fixture) : ConformanceTests(fixture)
{
    [Fact]
    public async Task A_snapshot_tells_what_the_execution_is_and_how_it_ended()
    {
        var request = Request(Exit(3)) with { Labels = new Dictionary<string, string> { ["team"] = "blue" } };
        var result = await RunAsync(request);
        var info = await Executor.GetStatusAsync(request.ExecutionId, Token);
        info.JobId.Should().Be(request.JobId);
        info.ExecutionId.Should().Be(request.ExecutionId);
        info.Executor.Should().Be(Executor.Name);
        info.Labels.Should().ContainKey("team").WhoseValue.Should().Be("blue");
        info.Status.Should().Be(ExecutionStatus.Failed);
        info.IsTerminal.Should().BeTrue();
        info.Reason.Should().Be(TerminationReason.Exited);
        info.ExitCode.Should().Be(3);
        info.CreatedAt.Should().Be(result.CreatedAt);
        info.StartedAt.Should().Be(result.StartedAt);
        info.FinishedAt.Should().Be(result.FinishedAt);
    }

    [Fact]
    public async Task A_snapshot_does_not_change()
    {
        var id = await StartAsync(Hang());
        var before = await Executor.GetStatusAsync(id, Token);
        await Executor.CancelAsync(id, Token);
        before.Status.Should().Be(ExecutionStatus.Running);
        before.FinishedAt.Should().BeNull();
    }

    [Fact]
    public async Task A_terminal_status_never_changes()
    {
        var request = Request(Exit(0));
        await RunAsync(request);
        var id = request.ExecutionId;
        var before = await Executor.GetStatusAsync(id, Token);
        await Refusal(ErrorCode.ExecutionAlreadyConcluded, () => Executor.CancelAsync(id, Token));
        await Refusal(ErrorCode.ExecutionAlreadyConcluded, () => Executor.SignalAsync(id, Signal.Kill, Token));
        await Refusal(ErrorCode.ExecutionAlreadyConcluded, () => Executor.PauseAsync(id, Token));
        await Refusal(ErrorCode.ExecutionAlreadyConcluded, () => Executor.StartAsync(request, Token));
        (await Executor.GetStatusAsync(id, Token)).Should().Be(before);
    }

    [Fact]
    public async Task Executions_are_listed_oldest_first_and_by_job_status_and_labels()
    {
        var job = JobId.Parse($"listed-{Guid.NewGuid():n}");
        var done = Request(Exit(0)) with { JobId = job, Labels = new Dictionary<string, string> { ["kind"] = "short" } };
        var first = Request(Hang()) with { JobId = job, Labels = new Dictionary<string, string> { ["kind"] = "long", ["n"] = "1" } };
        var second = first with { ExecutionId = ExecutionId.New(), Labels = new Dictionary<string, string> { ["kind"] = "long", ["n"] = "2" } };
        await RunAsync(done);
        await StartAsync(first);
        await StartAsync(second);

        (await IdsAsync(new ListRequest { JobId = job })).Should().Equal(done.ExecutionId, first.ExecutionId, second.ExecutionId);
        (await IdsAsync(new ListRequest { JobId = job, Statuses = [ExecutionStatus.Success] })).Should().Equal(done.ExecutionId);
        (await IdsAsync(new ListRequest { JobId = job, Statuses = [ExecutionStatus.Success, ExecutionStatus.Running] })).Should().HaveCount(3);
        (await IdsAsync(new ListRequest { JobId = job, Labels = new Dictionary<string, string> { ["kind"] = "long" } }))
            .Should().Equal(first.ExecutionId, second.ExecutionId);
        (await IdsAsync(new ListRequest { JobId = job, Labels = new Dictionary<string, string> { ["kind"] = "long", ["n"] = "2" } }))
            .Should().Equal(second.ExecutionId);
        (await IdsAsync(new ListRequest { JobId = JobId.Parse("nobody") })).Should().BeEmpty();
        (await IdsAsync(null)).Should().Contain([done.ExecutionId, first.ExecutionId, second.ExecutionId]);
    }

    [Fact]
    public async Task Events_of_an_execution_come_in_order_and_end_after_the_last()
    {
        var request = Request(Exit(2));
        var events = Executor.WatchAsync(new WatchRequest { ExecutionId = request.ExecutionId }, Token);
        await RunAsync(request);

        List<ExecutionEvent> seen = [];
        await foreach (var e in events) seen.Add(e);
        seen.Where(e => e.Type != ExecutionEventType.Progress).Select(e => e.Type)
            .Should().Equal(ExecutionEventType.Created, ExecutionEventType.Started, ExecutionEventType.Concluded);
        seen.Select(e => e.Sequence).Should().BeInAscendingOrder();
        seen.Where(e => e.Type != ExecutionEventType.Progress).Select(e => e.Sequence).Should().OnlyHaveUniqueItems();
        seen.Select(e => e.Timestamp).Should().BeInAscendingOrder();
        seen.Should().OnlyContain(e => e.Info.ExecutionId == request.ExecutionId);
        seen[0].Info.Status.Should().Be(ExecutionStatus.Pending);
        seen[^1].Info.Status.Should().Be(ExecutionStatus.Failed);
        seen[^1].Info.ExitCode.Should().Be(2);
    }

    [Fact]
    public async Task Pause_resume_and_removal_are_events_too()
    {
        if (!Can.Pause) return;
        var request = Request(Hang()) with { JobId = JobId.Parse($"watched-{Guid.NewGuid():n}") };
        await using var events = Executor.WatchAsync(new WatchRequest { JobId = request.JobId }, Token).GetAsyncEnumerator(Token);
        var id = await StartAsync(request);
        await Executor.PauseAsync(id, Token);
        await Executor.ResumeAsync(id, Token);
        await Executor.RemoveAsync(id, TimeSpan.FromSeconds(30), Token);

        var seen = await events.ReadUntilAsync(ExecutionEventType.Removed);
        seen.Where(e => e.Type != ExecutionEventType.Progress).Select(e => e.Type).Should().Equal(
            ExecutionEventType.Created, ExecutionEventType.Started, ExecutionEventType.Paused, ExecutionEventType.Resumed,
            ExecutionEventType.Concluded, ExecutionEventType.Removed);
    }

    [Fact]
    public async Task Two_watchers_see_the_same_events()
    {
        var request = Request(Exit(0)) with { JobId = JobId.Parse($"watched-{Guid.NewGuid():n}") };
        await using var first = Executor.WatchAsync(new WatchRequest { JobId = request.JobId }, Token).GetAsyncEnumerator(Token);
        await using var second = Executor.WatchAsync(null, Token).GetAsyncEnumerator(Token);
        await RunAsync(request);
        var seen = await first.ReadUntilAsync(ExecutionEventType.Concluded);
        List<long> alsoSeen = [];
        while (alsoSeen.Count < seen.Count && await second.MoveNextAsync())
            if (second.Current.Info.JobId == request.JobId) alsoSeen.Add(second.Current.Sequence);
        alsoSeen.Should().Equal(seen.Select(e => e.Sequence));
    }

    [Fact]
    public async Task A_start_that_fails_is_an_event()
    {
        if (Fixture.SpecThatFailsToStart is not { } spec)
        {
            Assert.Skip("No start fails on this backend.");
            return;
        }

        var request = Track(Request(spec));
        var events = Executor.WatchAsync(new WatchRequest { ExecutionId = request.ExecutionId }, Token);
        await Assert.ThrowsAsync<ExecutorException>(() => Executor.StartAsync(request, Token));
        List<ExecutionEventType> seen = [];
        await foreach (var e in events) seen.Add(e.Type);
        seen[0].Should().Be(ExecutionEventType.Created);
        seen[^1].Should().Be(ExecutionEventType.StartFailed);
    }

    [Fact]
    public async Task Cancelling_a_watcher_ends_the_watcher_alone()
    {
        var id = await StartAsync(Hang());
        using var cancellation = CancellationTokenSource.CreateLinkedTokenSource(Token);
        await using var events = Executor.WatchAsync(new WatchRequest { ExecutionId = id }, cancellation.Token).GetAsyncEnumerator(cancellation.Token);
        var next = events.MoveNextAsync().AsTask();
        await cancellation.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => next);
        (await Executor.GetStatusAsync(id, Token)).Status.Should().Be(ExecutionStatus.Running);
    }

    private async Task<IEnumerable<ExecutionId>> IdsAsync(ListRequest? request) =>
        (await Executor.ListAsync(request, Token)).Select(i => i.ExecutionId);
}
