namespace Ergon.Conformance;

/// <summary>Starts: what they wait for, which they refuse, and that a refused one leaves no trace.</summary>
public abstract class StartingConformance(ConformanceFixture fixture) : ConformanceTests(fixture)
{
    [Fact]
    public async Task A_started_execution_is_running_when_start_returns()
    {
        var id = await StartAsync(Hang());
        var info = await Executor.GetStatusAsync(id, Token);
        info.Status.Should().Be(ExecutionStatus.Running);
        info.StartedAt.Should().NotBeNull();
    }

    [Fact]
    public async Task Starting_a_running_id_again_is_refused_even_with_the_same_request()
    {
        var request = Request(Hang());
        await StartAsync(request);
        var error = await Refusal(ErrorCode.ExecutionAlreadyStarted, () => Executor.StartAsync(request, Token));
        error.ExecutionId.Should().Be(request.ExecutionId);
        error.Message.Should().Contain(request.ExecutionId.Value);
        (await Executor.GetStatusAsync(request.ExecutionId, Token)).Status.Should().Be(ExecutionStatus.Running);
    }

    [Fact]
    public async Task Starting_a_concluded_id_again_is_refused()
    {
        var request = Request(Exit(0));
        await RunAsync(request);
        await Refusal(ErrorCode.ExecutionAlreadyConcluded, () => Executor.StartAsync(request, Token));
        await Refusal(ErrorCode.ExecutionAlreadyConcluded, () => Executor.RunAsync(request, Token));
        (await WaitAsync(request.ExecutionId)).ExitCode.Should().Be(0);
    }

    [Fact]
    public async Task Of_many_concurrent_starts_of_one_id_exactly_one_wins()
    {
        var request = Track(Request(Hang()));
        var starts = Enumerable.Range(0, 10).Select(_ => Task.Run(() => Executor.StartAsync(request, Token), Token)).ToList();
        await Task.WhenAll(starts).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);

        starts.Count(s => s.IsCompletedSuccessfully).Should().Be(1);
        foreach (var start in starts.Where(s => !s.IsCompletedSuccessfully))
            await Refusal(ErrorCode.ExecutionAlreadyStarted, () => start);
        (await Executor.GetStatusAsync(request.ExecutionId, Token)).Status.Should().Be(ExecutionStatus.Running);
    }

    [Fact]
    public async Task One_job_can_be_executed_several_times()
    {
        var results = await Task.WhenAll(RunAsync(Print("first")), RunAsync(Print("second")));
        results.Select(r => r.Stdout.Text).Should().Equal("first", "second");
        results.Select(r => r.JobId).Distinct().Should().ContainSingle();
    }

    [Fact]
    public async Task An_id_may_be_used_again_after_its_start_was_refused()
    {
        var request = Request(Print("at last"));
        await RefusedRequest(request with { Resources = new Resources { Memory = -1 } }, "resources.memory");
        (await RunAsync(request)).Stdout.Text.Should().Be("at last");
    }

    [Fact]
    public async Task An_id_may_be_used_again_after_it_was_removed()
    {
        var request = Request(Exit(4));
        await RunAsync(request);
        await Executor.RemoveAsync(request.ExecutionId, TimeSpan.FromSeconds(30), Token);
        (await RunAsync(request)).ExitCode.Should().Be(4);
    }

    [Fact]
    public async Task A_start_that_the_backend_refuses_throws_and_leaves_no_trace()
    {
        Assert.SkipWhen(Fixture.SpecThatFailsToStart is null, "No start fails on this backend.");
        var request = Track(Request(Fixture.SpecThatFailsToStart));
        await Assert.ThrowsAsync<ExecutorException>(() => Executor.StartAsync(request, Token));
        await Refusal(ErrorCode.ExecutionNotFound, () => Executor.GetStatusAsync(request.ExecutionId, Token));
        (await RunAsync(Request(Exit(6)) with { ExecutionId = request.ExecutionId })).ExitCode.Should().Be(6);
    }

    [Fact]
    public async Task A_start_with_a_cancelled_token_starts_nothing()
    {
        var request = Track(Request(Hang()));
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => Executor.StartAsync(request, new CancellationToken(canceled: true)));
        await Refusal(ErrorCode.ExecutionNotFound, () => Executor.GetStatusAsync(request.ExecutionId, Token));
    }

    [Theory]
    [InlineData(1)]
    [InlineData(10)]
    [InlineData(50)]
    [InlineData(150)]
    public async Task A_start_that_is_cancelled_at_any_moment_leaves_a_whole_execution_or_nothing(int milliseconds)
    {
        var request = Track(Request(Hang()));
        using var cancellation = new CancellationTokenSource(TimeSpan.FromMilliseconds(milliseconds));
        try
        {
            await Executor.StartAsync(request, cancellation.Token);
            (await Executor.GetStatusAsync(request.ExecutionId, Token)).Status.Should().Be(ExecutionStatus.Running);
        }
        catch (OperationCanceledException)
        {
            await Refusal(ErrorCode.ExecutionNotFound, () => Executor.GetStatusAsync(request.ExecutionId, Token));
        }
    }

    [Fact]
    public async Task A_full_executor_refuses_until_there_is_room_again()
    {
        await using var executor = Fixture.CreateExecutor(new ExecutorOptions { MaxConcurrentExecutions = 1 });
        var first = await StartAsync(Request(Hang()), executor);
        var second = Track(Request(Exit(0)), executor);
        var error = await Refusal(ErrorCode.ResourcesUnavailable, () => executor.StartAsync(second, Token));
        error.IsTransient.Should().BeTrue();

        await executor.CancelAsync(first, Token);
        (await RunAsync(second, executor)).ExitCode.Should().Be(0);
    }
}
