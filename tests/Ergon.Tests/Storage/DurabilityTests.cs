using Ergon.Conformance;

namespace Ergon.Tests.Storage;

/// <summary>Nobody is told of what a crash would undo.</summary>
public sealed class DurabilityTests : StoreTests
{
    [Fact]
    public async Task An_execution_is_not_seen_before_its_request_is_stored()
    {
        var executor = Create();
        var hold = Hold.Before(Store, change => change.Request is not null);
        var request = Request(Exit(0));
        await using var events = executor.WatchAsync(null, Token).GetAsyncEnumerator(Token);
        var next = events.MoveNextAsync();
        var start = executor.StartAsync(request, Token);
        await hold.Reached.WaitAsync(Token);

        await Fails(ErrorCode.ExecutionNotFound, () => executor.GetStatusAsync(request.ExecutionId, Token));
        await Fails(ErrorCode.ExecutionNotFound, () => executor.WaitAsync(request.ExecutionId, Token));
        (await executor.ListAsync(null, Token)).Should().BeEmpty();
        Backend.List().Should().BeEmpty();
        await Fails(ErrorCode.ExecutionAlreadyStarted, () => executor.StartAsync(request, Token));
        next.IsCompleted.Should().BeFalse();

        hold.Release();
        await start.WaitAsync(Token);
        (await next).Should().BeTrue();
        events.Current.Type.Should().Be(ExecutionEventType.Created);
    }

    [Theory]
    [InlineData(ExecutionEventType.Started)]
    [InlineData(ExecutionEventType.Paused)]
    [InlineData(ExecutionEventType.Resumed)]
    [InlineData(ExecutionEventType.Concluded)]
    [InlineData(ExecutionEventType.Removed)]
    public async Task A_change_is_told_once_it_is_stored_and_not_before(ExecutionEventType type)
    {
        var executor = Create();
        var hold = Hold.Before(Store, change => change.Event?.Type == type);
        var request = Request(Hang());
        var told = ReadUntilAsync(executor, request.JobId, type);
        var changes = ChangeAsync(executor, request);
        await hold.Reached.WaitAsync(Token);
        var seen = await executor.GetStatusAsync(request.ExecutionId, Token);
        seen.Status.Should().Be(type switch
        {
            ExecutionEventType.Started => ExecutionStatus.Pending,
            ExecutionEventType.Resumed => ExecutionStatus.Paused,
            ExecutionEventType.Removed => ExecutionStatus.Failed,
            _ => ExecutionStatus.Running,
        });
        if (type == ExecutionEventType.Concluded) executor.WaitAsync(request.ExecutionId, Token).IsCompleted.Should().BeFalse();
        (changes.IsCompleted || told.IsCompleted).Should().BeFalse();

        hold.Release();
        await changes.WaitAsync(Token);
        (await told.WaitAsync(Token))[^1].Type.Should().Be(type);
    }

    [Fact]
    public async Task A_result_is_stored_before_the_execution_is_destroyed()
    {
        var executor = Create();
        var hold = Hold.Before(Store, change => change.Result is not null);
        var request = Request(Print("done"), Exit(3));
        await executor.StartAsync(request, Token);
        await hold.Reached.WaitAsync(Token);
        Backend.List().Should().ContainSingle();
        hold.Release();
        (await executor.WaitAsync(request.ExecutionId, Token)).ExitCode.Should().Be(3);
        Backend.List().Should().BeEmpty();
    }

    [Fact]
    public async Task Events_come_in_the_order_of_their_numbers_whoever_is_stored_first()
    {
        var executor = Create();
        var hold = Hold.Before(Store, change => change.Event is { Type: ExecutionEventType.Created, Sequence: 1 });
        var told = ReadNumbersAsync(executor, 6);
        var first = executor.RunAsync(Request(Exit(0)), Token);
        await hold.Reached.WaitAsync(Token);
        await executor.RunAsync(Request(Exit(0)), Token).WaitAsync(Token);
        hold.Release();
        await first.WaitAsync(Token);
        (await told.WaitAsync(Token)).Should().Equal(1, 2, 3, 4, 5, 6);
    }

    private async Task<List<long>> ReadNumbersAsync(Executor executor, int count)
    {
        List<long> numbers = [];
        await foreach (var e in executor.WatchAsync(null, Token))
        {
            if (e.Type != ExecutionEventType.Progress) numbers.Add(e.Sequence);
            if (numbers.Count == count) break;
        }

        return numbers;
    }

    private async Task ChangeAsync(Executor executor, ExecutionRequest request)
    {
        await executor.StartAsync(request, Token);
        await executor.PauseAsync(request.ExecutionId, Token);
        await executor.ResumeAsync(request.ExecutionId, Token);
        await executor.CancelAsync(request.ExecutionId, Token);
        await executor.RemoveAsync(request.ExecutionId, TimeSpan.FromMinutes(10), Token);
    }

    private async Task<List<ExecutionEvent>> ReadUntilAsync(Executor executor, JobId job, ExecutionEventType type)
    {
        await using var events = executor.WatchAsync(new WatchRequest { JobId = job }, Token).GetAsyncEnumerator(Token);
        return await events.ReadUntilAsync(type);
    }
}
