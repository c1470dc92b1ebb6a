using Ergon.Conformance;
using Ergon.Tests.InMemory;

namespace Ergon.Tests.Engine;

/// <summary>How much is kept, however young it is.</summary>
public sealed class RetentionLimitTests : IAsyncDisposable
{
    private static CancellationToken Token => TestContext.Current.CancellationToken;

    private readonly string _data = Directory.CreateTempSubdirectory("limits-").FullName;
    private readonly InMemoryBackend _backend = new();
    private readonly List<Executor> _executors = [];

    public async ValueTask DisposeAsync()
    {
        foreach (var executor in _executors) await executor.DisposeAsync();
        Directory.Delete(_data, recursive: true);
    }

    [Fact]
    public async Task Beyond_a_number_the_oldest_results_are_released()
    {
        var executor = Create(new ExecutorOptions { MaxRetainedResults = 3 });
        var ids = await RunAsync(executor, 5, "x");
        await ExpectAsync(executor, ids, released: 2);
        (await executor.ListAsync(null, Token)).Should().HaveCount(5);
    }

    [Fact]
    public async Task Beyond_a_number_of_bytes_the_oldest_results_are_released()
    {
        // Each takes its output twice, and a record of 16 bytes.
        var executor = Create(new ExecutorOptions { MaxRetainedBytes = 5000 });
        var ids = await RunAsync(executor, 5, new string('x', 1000));
        await ExpectAsync(executor, ids, released: 3);
        await executor.RemoveAsync(ids[4], TimeSpan.FromSeconds(10), Token);
        ids.AddRange(await RunAsync(executor, 1, new string('x', 1000)));
        (await executor.WaitAsync(ids[3], Token)).ExitCode.Should().Be(0, "what was removed takes nothing any more");
    }

    [Fact]
    public async Task A_result_that_is_too_large_alone_is_still_given_to_who_runs_the_job()
    {
        var executor = Create(new ExecutorOptions { MaxRetainedBytes = 10 });
        var request = Request(new string('x', 1000));
        (await executor.RunAsync(request, Token)).Stdout.Text.Should().HaveLength(1000);
        await ReleasedAsync(executor, request.ExecutionId);
    }

    [Fact]
    public async Task Beyond_a_number_the_oldest_executions_are_forgotten_with_all_that_they_left()
    {
        var executor = Create(new ExecutorOptions { MaxConcludedExecutions = 2 });
        await using var events = executor.WatchAsync(null, Token).GetAsyncEnumerator(Token);
        var ids = await RunAsync(executor, 3, "x");
        (await events.ReadUntilAsync(ExecutionEventType.Removed))[^1].Info.ExecutionId.Should().Be(ids[0]);
        (await executor.ListAsync(null, Token)).Select(i => i.ExecutionId).Should().Equal(ids[1], ids[2]);
        (await Assert.ThrowsAsync<ExecutorException>(() => executor.GetStatusAsync(ids[0], Token))).Code.Should().Be(ErrorCode.ExecutionNotFound);
    }

    [Fact]
    public async Task The_limits_hold_after_a_restart_too()
    {
        var first = Create(new ExecutorOptions());
        var ids = await RunAsync(first, 6, "x");
        await first.DisposeAsync();
        var second = Create(new ExecutorOptions { MaxRetainedResults = 1, MaxConcludedExecutions = 4 });
        await second.RecoverAsync(Token);
        (await second.ListAsync(null, Token)).Select(i => i.ExecutionId).Should().Equal(ids[2..]);
        await ExpectAsync(second, ids[2..], released: 3);
    }

    private static async Task ExpectAsync(Executor executor, List<ExecutionId> ids, int released)
    {
        foreach (var id in ids.Take(released)) await ReleasedAsync(executor, id);
        foreach (var id in ids.Skip(released)) (await executor.WaitAsync(id, Token)).ExitCode.Should().Be(0);
    }

    // Who waits for a result has it before others are released for it.
    private static async Task ReleasedAsync(Executor executor, ExecutionId id)
    {
        try
        {
            while (true)
            {
                (await executor.WaitAsync(id, Token)).ExitCode.Should().Be(0);
                await Task.Delay(TimeSpan.FromMilliseconds(5), TimeProvider.System, Token);
            }
        }
        catch (ExecutorException e)
        {
            e.Code.Should().Be(ErrorCode.ExecutionAlreadyConcluded);
        }
    }

    private async Task<List<ExecutionId>> RunAsync(Executor executor, int count, string output)
    {
        List<ExecutionId> ids = [];
        for (var i = 0; i < count; i++)
        {
            var request = Request(output);
            await executor.RunAsync(request, Token);
            ids.Add(request.ExecutionId);
        }

        return ids;
    }

    private Executor Create(ExecutorOptions options)
    {
        _executors.Add(new Executor(new InMemoryDriver(_backend), options with { ExecutorId = "limits", DataDirectory = _data }));
        return _executors[^1];
    }

    private static ExecutionRequest Request(string output) => new()
    {
        JobId = JobId.Parse("limits"),
        ExecutionId = ExecutionId.New(),
        EngineSpec = InMemoryDriver.Spec(new TestJob { Steps = [Print(output)] }),
    };
}
