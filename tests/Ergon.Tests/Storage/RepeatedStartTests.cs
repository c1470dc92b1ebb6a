using Ergon.Conformance;
using Ergon.Tests.InMemory;

namespace Ergon.Tests.Storage;

/// <summary>A start that is repeated because nobody knows whether the first one arrived.</summary>
public sealed class RepeatedStartTests : StoreTests
{
    [Fact]
    public async Task A_repeated_start_has_the_outcome_of_the_first_and_starts_nothing()
    {
        var executor = Create();
        var request = Request(Print("once"), WaitForSignal(Signal.User1), Exit(4)) with { RequestKey = "key" };
        await executor.StartAsync(request, Token);
        await executor.StartAsync(request, Token);
        Backend.List().Should().ContainSingle();
        await executor.WaitForOutputAsync(request.ExecutionId, "waiting\n", Token);
        var run = executor.RunAsync(request, Token);
        await executor.SignalAsync(request.ExecutionId, Signal.User1, Token);
        (await run).ExitCode.Should().Be(4);
        await executor.StartAsync(request, Token);
        (await executor.RunAsync(request, Token)).Stdout.Text.Should().Be("oncewaiting\n");
    }

    [Fact]
    public async Task Starts_at_one_time_are_one_start()
    {
        var executor = Create();
        for (var round = 0; round < 20; round++)
        {
            var request = Request(Print("x"), Exit(0)) with { RequestKey = $"key {round}" };
            await Task.WhenAll(Enumerable.Range(0, 8).Select(_ => Task.Run(() => executor.StartAsync(request, Token), Token)));
            (await executor.WaitAsync(request.ExecutionId, Token)).Stdout.Text.Should().Be("x");
        }

        Store.Changes.Count(c => c.Request is not null).Should().Be(20);
    }

    [Fact]
    public async Task Who_joins_a_start_that_fails_gets_its_error_and_may_try_again()
    {
        var executor = Create();
        var request = Request() with { EngineSpec = InMemoryDriver.Spec(new TestJob(), prepare: "hang"), RequestKey = "key" };
        var first = executor.StartAsync(request, Token);
        await executor.WaitForStatusAsync(request.ExecutionId, ExecutionStatus.Pending, TimeSpan.FromMinutes(1), Token);
        var second = executor.StartAsync(request, Token);
        await executor.CancelAsync(request.ExecutionId, Token);
        await Fails(ErrorCode.Cancelled, () => first);
        await Fails(ErrorCode.Cancelled, () => second);
        await executor.StartAsync(request with { EngineSpec = InMemoryDriver.Spec(new TestJob { Steps = [Exit(0)] }) }, Token);
    }

    [Fact]
    public async Task Another_request_under_the_same_id_or_key_is_refused()
    {
        var executor = Create();
        var request = Request(Hang()) with { RequestKey = "key" };
        await executor.StartAsync(request, Token);
        var changed = request with { Labels = new Dictionary<string, string> { ["a"] = "b" } };
        (await Fails(ErrorCode.ExecutionAlreadyStarted, () => executor.StartAsync(changed, Token))).Message.Should().Contain("another request");
        await Fails(ErrorCode.ExecutionAlreadyStarted, () => executor.StartAsync(request with { RequestKey = "other" }, Token));
        await Fails(ErrorCode.ExecutionAlreadyStarted, () => executor.StartAsync(request with { RequestKey = null }, Token));
        var error = await Fails(ErrorCode.InvalidRequest, () => executor.StartAsync(request with { ExecutionId = ExecutionId.New() }, Token));
        error.Problems.Should().ContainSingle(p => p.Field == "request_key").Which.Message.Should().Contain(request.ExecutionId.Value);
        await executor.RemoveAsync(request.ExecutionId, TimeSpan.FromMinutes(5), Token);
        await executor.StartAsync(request with { ExecutionId = ExecutionId.New() }, Token);
    }

    [Fact]
    public async Task A_start_that_is_refused_leaves_its_key_to_others()
    {
        var executor = Create(o => o with { MaxConcurrentExecutions = 1 });
        var running = Request(Hang());
        await executor.StartAsync(running, Token);
        await Fails(ErrorCode.ResourcesUnavailable, () => executor.StartAsync(Request(Exit(0)) with { RequestKey = "key" }, Token));
        await executor.CancelAsync(running.ExecutionId, Token);
        await executor.RunAsync(Request(Exit(0)) with { RequestKey = "key" }, Token);
    }

    [Fact]
    public async Task The_order_of_entries_makes_no_difference()
    {
        var executor = Create();
        var request = Request(Exit(0)) with { RequestKey = "key", Environment = new Dictionary<string, string> { ["A"] = "1", ["B"] = "2" } };
        await executor.StartAsync(request, Token);
        await executor.StartAsync(request with { Environment = new Dictionary<string, string> { ["B"] = "2", ["A"] = "1" } }, Token);
    }

    [Fact]
    public async Task A_start_can_be_repeated_after_a_restart()
    {
        var (running, ended) = (Request(Hang()) with { RequestKey = "running" }, Request(Exit(3)) with { RequestKey = "ended" });
        var first = Create();
        await first.StartAsync(running, Token);
        await first.RunAsync(ended, Token);
        await first.DisposeAsync();

        var second = Create();
        await second.RecoverAsync(Token);
        await second.StartAsync(running, Token);
        (await second.RunAsync(ended, Token)).ExitCode.Should().Be(3);
        Backend.List().Should().ContainSingle();
        await Fails(ErrorCode.InvalidRequest, () => second.StartAsync(ended with { ExecutionId = ExecutionId.New() }, Token));
    }
}
