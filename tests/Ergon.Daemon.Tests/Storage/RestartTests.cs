using Ergon.Conformance;
using Ergon.Daemon.Storage;
using Ergon.Tests.InMemory;

namespace Ergon.Daemon.Tests.Storage;

/// <summary>Executors on the database, over a restart.</summary>
public sealed class RestartTests : DatabaseTests
{
    private readonly InMemoryBackend _backend = new();

    [Fact]
    public async Task Everything_of_many_executions_is_there_after_a_restart()
    {
        var requests = Enumerable.Range(0, 300).Select(i => Job(Print($"out {i}"), Exit(i % 7))).ToList();
        var running = Job(Print("ready\n"), WaitForSignal(Signal.User1), Exit(5));
        await using (var store = await OpenAsync())
        await using (var first = Create(store))
        {
            await first.StartAsync(running, Token);
            await first.WaitForOutputAsync(running.ExecutionId, "waiting\n", Token);
            await Parallel.ForEachAsync(requests, new ParallelOptions { MaxDegreeOfParallelism = 32 }, async (r, token) => await first.RunAsync(r, token));
        }

        await using var again = await OpenAsync();
        await using var second = Create(again);
        await second.RecoverAsync(Token);
        (await second.ListAsync(null, Token)).Should().HaveCount(301);
        foreach (var (i, request) in requests.Index())
        {
            var result = await second.WaitAsync(request.ExecutionId, Token);
            result.ExitCode.Should().Be(i % 7);
            result.Stdout.Text.Should().Be($"out {i}");
        }

        await second.SignalAsync(running.ExecutionId, Signal.User1, Token);
        (await second.WaitAsync(running.ExecutionId, Token)).ExitCode.Should().Be(5);
        await CheckEventsAsync(second, requests.Count);
        await second.CleanupAsync(Token);
        Directory.GetDirectories(Path.Combine(Data, ExecutorName)).Should().BeEmpty();
    }

    private static async Task CheckEventsAsync(Executor executor, int executions)
    {
        List<ExecutionEvent> events = [];
        await foreach (var e in executor.WatchAsync(new WatchRequest { After = 0 }, Token))
        {
            events.Add(e);
            // Those of all, of the one that ran on, and its recovery.
            if (events.Count == (3 * (executions + 1)) + 1) break;
        }

        events.Select(e => e.Sequence).Should().Equal(Enumerable.Range(1, events.Count).Select(i => (long)i));
        events.Should().ContainSingle(e => e.Type == ExecutionEventType.Recovered);
        foreach (var one in events.GroupBy(e => e.Info.ExecutionId)) one.Select(e => e.Info.Status).Should().BeInAscendingOrder();
    }

    private Executor Create(SqliteExecutionStore store) => new(
        new InMemoryDriver(_backend),
        new ExecutorOptions { ExecutorId = ExecutorName, DataDirectory = Data, Store = store, DisposeBehavior = DisposeBehavior.Detach });

    private static ExecutionRequest Job(params Step[] steps) => new()
    {
        JobId = JobId.Parse("kept"),
        ExecutionId = ExecutionId.New(),
        EngineSpec = InMemoryDriver.Spec(new TestJob { Steps = steps }),
    };
}
