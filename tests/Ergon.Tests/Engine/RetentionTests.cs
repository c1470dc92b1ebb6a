using Ergon.Conformance;
using Ergon.Tests.InMemory;
using Microsoft.Extensions.Time.Testing;

namespace Ergon.Tests.Engine;

/// <summary>How long results and logs are kept, on a clock that the test turns.</summary>
public sealed class RetentionTests : IAsyncDisposable
{
    private static CancellationToken Token => TestContext.Current.CancellationToken;

    private readonly FakeTimeProvider _time = new(new DateTimeOffset(2030, 1, 1, 0, 0, 0, TimeSpan.Zero));
    private readonly string _data = Directory.CreateTempSubdirectory("retention-").FullName;
    private readonly InMemoryBackend _backend = new();
    private readonly Executor _executor;

    public RetentionTests() => _executor = Create();

    public async ValueTask DisposeAsync()
    {
        await _executor.DisposeAsync();
        Directory.Delete(_data, recursive: true);
    }

    [Fact]
    public async Task A_result_is_kept_exactly_as_long_as_was_asked_for()
    {
        var id = await RunAsync(TimeSpan.FromHours(2));
        _time.Advance(TimeSpan.FromHours(2) - TimeSpan.FromSeconds(1));
        (await _executor.WaitAsync(id, Token)).Stdout.Text.Should().Be("kept");

        _time.Advance(TimeSpan.FromSeconds(1));
        await RefusesAsync(id, _executor);
        (await _executor.GetStatusAsync(id, Token)).Status.Should().Be(ExecutionStatus.Success);
        Directory.EnumerateFiles(_data, "stdout", SearchOption.AllDirectories).Should().BeEmpty();
    }

    [Fact]
    public async Task Without_asking_a_result_is_kept_as_long_as_the_executor_says()
    {
        var id = await RunAsync(null);
        _time.Advance(TimeSpan.FromDays(3) - TimeSpan.FromSeconds(1));
        (await _executor.WaitAsync(id, Token)).ExitCode.Should().Be(0);
        _time.Advance(TimeSpan.FromSeconds(1));
        await RefusesAsync(id, _executor);
    }

    [Fact]
    public async Task Each_result_is_released_in_its_own_time()
    {
        var late = await RunAsync(TimeSpan.FromDays(100));
        var soon = await RunAsync(TimeSpan.FromMinutes(1));
        var never = await RunAsync(TimeSpan.MaxValue);
        _time.Advance(TimeSpan.FromMinutes(1));
        await RefusesAsync(soon, _executor);
        (await _executor.WaitAsync(late, Token)).ExitCode.Should().Be(0);
        for (var i = 0; i < 100; i++) _time.Advance(TimeSpan.FromDays(1));
        await RefusesAsync(late, _executor);
        (await _executor.WaitAsync(never, Token)).ExitCode.Should().Be(0);
    }

    [Fact]
    public async Task A_waiter_who_came_in_time_gets_the_result_although_it_is_not_kept()
    {
        var request = Request(TimeSpan.Zero, WaitForSignal(Signal.User1), Exit(5));
        await _executor.StartAsync(request, Token);
        await _executor.WaitForOutputAsync(request.ExecutionId, "waiting\n", Token);
        var waiter = _executor.WaitAsync(request.ExecutionId, Token);
        await _executor.SignalAsync(request.ExecutionId, Signal.User1, Token);
        (await waiter).ExitCode.Should().Be(5);
    }

    [Fact]
    public async Task Run_gives_the_result_also_when_nothing_is_kept()
    {
        await using var executor = new Executor(new InMemoryDriver(_backend));
        for (var i = 0; i < 200; i++)
            (await executor.RunAsync(Request(TimeSpan.Zero, Print("x")), Token)).Stdout.Text.Should().Be("x");
    }

    [Fact]
    public async Task Retention_goes_on_after_a_restart()
    {
        var (kept, over) = (await RunAsync(TimeSpan.FromDays(2)), await RunAsync(TimeSpan.FromHours(1)));
        await _executor.DisposeAsync();
        _time.Advance(TimeSpan.FromDays(1));

        await using var second = Create();
        await second.RecoverAsync(Token);
        _time.Advance(TimeSpan.FromTicks(1));
        (await second.WaitAsync(kept, Token)).Stdout.Text.Should().Be("kept");
        await RefusesAsync(over, second);
        _time.Advance(TimeSpan.FromDays(1));
        await RefusesAsync(kept, second);
    }

    private Executor Create() => new(
        new InMemoryDriver(_backend),
        new ExecutorOptions { ExecutorId = "retention", DataDirectory = _data, DefaultPersistLogs = TimeSpan.FromDays(3) },
        timeProvider: _time);

    private static ExecutionRequest Request(TimeSpan? retention, params Step[] steps) => new()
    {
        JobId = JobId.Parse("retention"),
        ExecutionId = ExecutionId.New(),
        EngineSpec = InMemoryDriver.Spec(new TestJob { Steps = steps }),
        PersistLogs = retention,
    };

    private async Task<ExecutionId> RunAsync(TimeSpan? retention)
    {
        var request = Request(retention, Print("kept"));
        await _executor.RunAsync(request, Token);
        return request.ExecutionId;
    }

    private static async Task RefusesAsync(ExecutionId id, Executor executor)
    {
        foreach (var act in new Func<Task>[] { () => executor.WaitAsync(id, Token), () => executor.ReadStdoutAsync(id, Token) })
            (await Assert.ThrowsAsync<ExecutorException>(act)).Code.Should().Be(ErrorCode.ExecutionAlreadyConcluded);
    }
}
