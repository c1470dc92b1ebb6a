using System.Diagnostics;
using Ergon.Benchmarks.Service;
using Ergon.Docker;

namespace Ergon.Benchmarks;

/// <summary>From <c>StartAsync</c> to a job's first byte and to its end: in a container made for it, and in one that waited.</summary>
internal static class WarmBenchmark
{
    private const int WarmUps = 10;

    public static async Task<string> RunAsync(int rounds)
    {
        await using var cold = DockerExecutor.Create();
        await using var warm = DockerExecutor.Create(new DockerOptions { WarmContainers = new WarmContainerOptions() });
        var (coldTimes, warmTimes) = (new List<(double First, double End)>(), new List<(double First, double End)>());
        for (var round = -WarmUps; round < rounds; round++)
        {
            var madeForIt = await MeasureAsync(cold);
            await WaitForOneAsync(warm, round);
            var waited = await MeasureAsync(warm);
            if (round < 0) continue;
            coldTimes.Add(madeForIt);
            warmTimes.Add(waited);
        }

        return "\n## Containers that wait for their job\n" + TimesTable.Of("A Docker job, milliseconds from its start", [
            ("first byte, container made for it", [.. coldTimes.Select(t => t.First)]),
            ("first byte, container that waited", [.. warmTimes.Select(t => t.First)]),
            ("end, container made for it", [.. coldTimes.Select(t => t.End)]),
            ("end, container that waited", [.. warmTimes.Select(t => t.End)])]);
    }

    private static async Task<(double First, double End)> MeasureAsync(Executor executor)
    {
        var request = new ExecutionRequest
        {
            JobId = JobId.Parse("benchmark"),
            ExecutionId = ExecutionId.New(),
            EngineSpec = new DockerSpec { Image = "busybox:latest", Cmd = ["echo", "hello"] }.ToSpecConfig(),
        };
        var begun = Stopwatch.GetTimestamp();
        await executor.StartAsync(request);
        var first = 0.0;
        await foreach (var _ in executor.GetLogStreamAsync(new LogStreamRequest { ExecutionId = request.ExecutionId, Follow = true }))
            if (first == 0) first = Stopwatch.GetElapsedTime(begun).TotalMilliseconds;
        var result = await executor.WaitAsync(request.ExecutionId);
        var end = Stopwatch.GetElapsedTime(begun).TotalMilliseconds;
        if (result.ExitCode != 0 || result.Stdout.Text != "hello\n") throw new InvalidOperationException($"The job failed: {result.Reason} {result.Error}");
        return (first, end);
    }

    // The first two jobs are what the executor learns from.
    private static async Task WaitForOneAsync(Executor executor, int round)
    {
        if (round < 2 - WarmUps) return;
        while ((await executor.FingerprintAsync()).Details["warm_containers"] == "0 waiting") await Task.Delay(20);
    }
}
