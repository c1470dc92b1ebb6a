using System.Text.Json.Nodes;

namespace Ergon.Benchmarks.Waiting;

/// <summary>
/// What executions cost that only wait: 10,000 of them in the engine, each with a deadline and a caller of <c>WaitAsync</c>, on a backend in which nothing
/// happens until they are cancelled.
/// </summary>
internal static class WaitingBenchmark
{
    private const int Executions = 10_000;
    private static readonly TimeSpan Time = TimeSpan.FromSeconds(30);

    public static async Task<Section> RunAsync()
    {
        await using var executor = new Executor(new IdleDriver(), new ExecutorOptions { MaxConcurrentExecutions = Executions });
        var before = await MeasureAsync();
        var heap = GC.GetTotalMemory(forceFullCollection: true);
        var waiters = new Task<ExecutionResult>[Executions];
        for (var i = 0; i < Executions; i++)
        {
            var request = new ExecutionRequest
            {
                JobId = JobId.Parse("benchmark"),
                ExecutionId = ExecutionId.New(),
                EngineSpec = SpecConfig.Create(IdleDriver.DriverName, new JsonObject()),
                Timeouts = new Timeouts { Run = TimeSpan.FromHours(1) },
            };
            await executor.StartAsync(request);
            waiters[i] = executor.WaitAsync(request.ExecutionId);
        }

        var each = (GC.GetTotalMemory(forceFullCollection: true) - heap) / 1024.0 / Executions;
        var waiting = await MeasureAsync();
        if (waiters.Any(w => w.IsCompleted)) throw new InvalidOperationException("An execution has ended.");
        await executor.CleanupAsync();
        await ((Task)Task.WhenAll(waiters)).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        return $"\n## {Executions:n0} waiting executions\n\nProcessor time of the process in {Time.TotalSeconds:0} s: **{waiting.TotalMilliseconds:0} ms** with {Executions:n0} executions that "
            + $"run, each with a deadline and a waiter; {before.TotalMilliseconds:0} ms with none. {each:0.0} KB of managed memory each.\n";
    }

    private static async Task<TimeSpan> MeasureAsync()
    {
        // What has been begun comes to its end first.
        await Task.Delay(TimeSpan.FromSeconds(2), TimeProvider.System);
        var before = Environment.CpuUsage.TotalTime;
        await Task.Delay(Time, TimeProvider.System);
        return Environment.CpuUsage.TotalTime - before;
    }
}
