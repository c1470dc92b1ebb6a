using Ergon.Conformance;
using Ergon.Tests.InMemory;

namespace Ergon.Tests.Faults;

/// <summary>The system's clock is set while executions run.</summary>
public sealed class ClockTests : IAsyncDisposable
{
    private static readonly TimeSpan RunTime = TimeSpan.FromMilliseconds(400);

    private readonly SetClock _clock = new();
    private readonly InMemoryBackend _backend = new();
    private readonly Executor _executor;

    public ClockTests() => _executor = new Executor(new InMemoryDriver(_backend), timeProvider: _clock);

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    public ValueTask DisposeAsync() => _executor.DisposeAsync();

    [Theory]
    [InlineData(1)]
    [InlineData(-1)]
    public async Task A_deadline_is_neither_earlier_nor_later_for_it(int days)
    {
        var request = Request(new Timeouts { Run = RunTime });
        await _executor.StartAsync(request, Token);
        var begun = TimeProvider.System.GetTimestamp();
        _clock.Offset = TimeSpan.FromDays(days);

        var result = await _executor.WaitAsync(request.ExecutionId, Token).WaitAsync(TimeSpan.FromSeconds(20), TimeProvider.System, Token);

        result.Reason.Should().Be(TerminationReason.TimedOut);
        TimeProvider.System.GetElapsedTime(begun).Should().BeGreaterThan(RunTime / 2);
        result.FinishedAt.Should().BeOnOrAfter(result.StartedAt, "nothing ends before it began");
    }

    [Theory]
    [InlineData(1)]
    [InlineData(-1)]
    public async Task A_wait_for_a_status_is_as_long_as_was_asked_for(int days)
    {
        var request = Request(new Timeouts());
        await _executor.StartAsync(request, Token);
        var begun = TimeProvider.System.GetTimestamp();
        var waiting = _executor.WaitForStatusAsync(request.ExecutionId, ExecutionStatus.Paused, RunTime, Token);
        _clock.Offset = TimeSpan.FromDays(days);

        (await Assert.ThrowsAsync<ExecutorException>(() => waiting.WaitAsync(TimeSpan.FromSeconds(20), TimeProvider.System, Token))).Code.Should().Be(ErrorCode.WaitTimedOut);
        TimeProvider.System.GetElapsedTime(begun).Should().BeGreaterThan(RunTime / 2);
        await _executor.RemoveAsync(request.ExecutionId, TimeSpan.FromSeconds(10), Token);
    }

    private static ExecutionRequest Request(Timeouts timeouts) => new()
    {
        JobId = JobId.Parse("clock"),
        ExecutionId = ExecutionId.New(),
        EngineSpec = InMemoryDriver.Spec(new TestJob { Steps = [Steps.Hang()] }),
        Timeouts = timeouts with { StopGrace = TimeSpan.Zero },
    };

    // What the clock shows is set; how time passes is not.
    private sealed class SetClock : TimeProvider
    {
        public TimeSpan Offset { get; set; }

        public override DateTimeOffset GetUtcNow() => System.GetUtcNow() + Offset;
    }
}
