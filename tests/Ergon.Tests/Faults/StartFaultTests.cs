namespace Ergon.Tests.Faults;

/// <summary>A driver that fails before the job's process exists.</summary>
public sealed class StartFaultTests : FaultTests
{
    [Theory]
    [InlineData(DriverCall.Prepare, Fault.Throws, ErrorCode.BackendFailed)]
    [InlineData(DriverCall.Prepare, Fault.Hangs, ErrorCode.PrepareTimedOut)]
    [InlineData(DriverCall.Prepare, Fault.HangsForGood, ErrorCode.PrepareTimedOut)]
    [InlineData(DriverCall.Start, Fault.Throws, ErrorCode.BackendFailed)]
    [InlineData(DriverCall.Start, Fault.Hangs, ErrorCode.PrepareTimedOut)]
    [InlineData(DriverCall.Start, Fault.HangsForGood, ErrorCode.PrepareTimedOut)]
    [InlineData(DriverCall.Validate, Fault.Throws, ErrorCode.BackendFailed)]
    public async Task A_start_that_the_driver_fails_leaves_nothing_and_its_id_is_free(DriverCall call, Fault fault, ErrorCode expected)
    {
        Driver.With(call, fault);
        var request = Request(Print("hello"));
        var hasty = request with { Timeouts = request.Timeouts with { Prepare = TimeSpan.FromSeconds(10) } };
        var error = await Fails(expected, () => Executor.StartAsync(hasty, Token));
        error.ExecutionId.Should().Be(request.ExecutionId);

        Driver.Heal();
        Driver.Release();
        await NothingIsLeftOf(request.ExecutionId);
        (await Executor.RunAsync(request, Token)).Stdout.Text.Should().Be("hello");
    }

    [Theory]
    [InlineData(DriverCall.Prepare)]
    [InlineData(DriverCall.Start)]
    public async Task What_the_driver_says_is_passed_on(DriverCall call)
    {
        Driver.With(call, _ => throw new ExecutorException(ErrorCode.ImageUnavailable, "There is no such image."));
        var request = Request();
        var error = await Fails(ErrorCode.ImageUnavailable, () => Executor.StartAsync(request, Token));
        error.Message.Should().Contain("no such image");
        error.ExecutionId.Should().Be(request.ExecutionId);
        await NothingIsLeftOf(request.ExecutionId);
    }

    [Theory]
    [InlineData(DriverCall.Prepare, Fault.Hangs)]
    [InlineData(DriverCall.Prepare, Fault.HangsForGood)]
    [InlineData(DriverCall.Start, Fault.Hangs)]
    [InlineData(DriverCall.Start, Fault.HangsForGood)]
    public async Task A_start_that_hangs_can_be_cancelled(DriverCall call, Fault fault)
    {
        Driver.With(call, fault);
        var request = Request();
        await using var events = Executor.WatchAsync(null, Token).GetAsyncEnumerator(Token);
        var start = Executor.StartAsync(request, Token);
        await events.MoveNextAsync();
        var waiter = Executor.WaitAsync(request.ExecutionId, Token);
        await Executor.CancelAsync(request.ExecutionId, Token).WaitAsync(Token);
        await Fails(ErrorCode.Cancelled, () => start);
        await Fails(ErrorCode.Cancelled, () => waiter);
        Driver.Release();
        await NothingIsLeftOf(request.ExecutionId);
    }

    [Theory]
    [InlineData(DriverCall.Prepare)]
    [InlineData(DriverCall.Start)]
    public async Task A_driver_that_throws_something_else_when_it_is_cancelled_was_cancelled(DriverCall call)
    {
        Driver.With(call, static async token =>
        {
            await Task.Delay(Timeout.InfiniteTimeSpan, TimeProvider.System, token).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            throw new InvalidOperationException("The line was cut.");
        });
        var request = Request();
        using var cancellation = CancellationTokenSource.CreateLinkedTokenSource(Token);
        var start = Executor.StartAsync(request, cancellation.Token);
        await cancellation.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => start.WaitAsync(Token));
        await NothingIsLeftOf(request.ExecutionId);
    }

    [Theory]
    [InlineData(DriverCall.Destroy, Fault.Throws)]
    [InlineData(DriverCall.Destroy, Fault.Hangs)]
    [InlineData(DriverCall.Destroy, Fault.HangsForGood)]
    [InlineData(DriverCall.Dispose, Fault.Throws)]
    [InlineData(DriverCall.Dispose, Fault.HangsForGood)]
    public async Task An_undo_that_fails_too_does_not_hide_why_the_start_failed(DriverCall undo, Fault fault)
    {
        Driver.With(DriverCall.Start, Fault.Throws).With(undo, fault);
        var request = Request();
        var error = await Fails(ErrorCode.BackendFailed, () => Executor.StartAsync(request, Token));
        error.Message.Should().Contain("The driver broke");
        await Fails(ErrorCode.ExecutionNotFound, () => Executor.GetStatusAsync(request.ExecutionId, Token));
    }

    [Fact]
    public async Task Disposing_an_executor_ends_a_start_that_hangs_for_good()
    {
        Driver.With(DriverCall.Prepare, Fault.HangsForGood);
        var start = Executor.StartAsync(Request(), Token);
        await Executor.DisposeAsync().AsTask().WaitAsync(Token);
        await Fails(ErrorCode.Cancelled, () => start);
    }

    [Fact]
    public async Task The_calls_of_a_whole_execution_come_in_order()
    {
        var request = Request(Print("x")) with
        {
            ResultsDir = Path.Combine(Data, "results"),
            Outputs = [new StorageVolume { Source = "out", Target = "/out" }],
        };
        await Executor.RunAsync(request, Token);
        // The pump and the wait begin at once, so either may come first.
        Driver.Calls.Select(c => c == DriverCall.Wait ? DriverCall.Pump : c).Should().Equal(
            DriverCall.Validate, DriverCall.Prepare, DriverCall.Start, DriverCall.Pump, DriverCall.Pump, DriverCall.Collect,
            DriverCall.Destroy, DriverCall.Dispose);
        Driver.Calls.Should().ContainSingle(c => c == DriverCall.Pump).And.ContainSingle(c => c == DriverCall.Wait);
    }
}
