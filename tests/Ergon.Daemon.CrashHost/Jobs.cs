using System.Text.Json.Nodes;

namespace Ergon.Daemon.CrashHost;

/// <summary>What the process does, and what is known of it by everyone.</summary>
internal static class Jobs
{
    /// <summary>Writes numbered lines to both streams, and ends with 7.</summary>
    public const string Counting = "i=0; while [ $i -lt 20 ]; do echo out $i; echo err $i >&2; i=$((i+1)); sleep 0.02; done; exit 7";

    /// <summary>Goes on until it is stopped.</summary>
    public const string Stoppable = "trap 'echo stopping; exit 0' TERM; echo ready; while :; do sleep 1000 & wait $!; done";

    private const int AtOneTime = 8;

    /// <summary>A whole life, of one that is paused and removed, one that is cancelled, one that ends, and one whose start fails.</summary>
    public static async Task CycleAsync(IExecutor executor)
    {
        var (counting, stoppable, ended) = (Request("counting", Counting), Request("stoppable", Stoppable), Request("ended", Counting));
        await StartAsync(executor, counting);
        await executor.PauseAsync(counting.ExecutionId);
        Tell("paused counting");
        await executor.ResumeAsync(counting.ExecutionId);
        Tell("resumed counting");
        await WaitAsync(executor, counting);
        Tell("removing counting");
        await executor.RemoveAsync(counting.ExecutionId, TimeSpan.FromSeconds(30));
        Tell("removed counting");

        await StartAsync(executor, stoppable);
        await foreach (var _ in executor.GetLogStreamAsync(new LogStreamRequest { ExecutionId = stoppable.ExecutionId, Follow = true })) break;
        await executor.CancelAsync(stoppable.ExecutionId);
        await WaitAsync(executor, stoppable);

        await StartAsync(executor, ended);
        await WaitAsync(executor, ended);
        try
        {
            await executor.StartAsync(Request("failing", Counting, image: "ergon-tests/there-is-none:latest"));
        }
        catch (ExecutorException e) when (e.Code == ErrorCode.ImageUnavailable)
        {
            Tell("refused failing");
        }
    }

    /// <summary>Many at one time; number i ends with i modulo 5.</summary>
    public static Task LoadAsync(IExecutor executor, int first, int count) => Parallel.ForEachAsync(
        Enumerable.Range(first, count),
        new ParallelOptions { MaxDegreeOfParallelism = AtOneTime },
        async (i, _) =>
        {
            var request = Request($"load-{i}", Load(i));
            await StartAsync(executor, request);
            await WaitAsync(executor, request);
        });

    /// <summary>The script of job i under load.</summary>
    public static string Load(int i) => $"for n in 0 1 2 3 4 5 6 7 8 9; do echo out {i} $n; echo err {i} $n >&2; sleep 0.03; done; exit {i % 5}";

    /// <summary>A request that runs a script in a container.</summary>
    public static ExecutionRequest Request(string id, string script, string image = "busybox:latest") => new()
    {
        JobId = JobId.Parse("crashing"),
        ExecutionId = ExecutionId.Parse(id),
        EngineSpec = SpecConfig.Create("docker", new JsonObject { ["image"] = image, ["pull_policy"] = "never", ["cmd"] = new JsonArray("/bin/sh", "-c", script) }),
        RequestKey = id,
    };

    /// <summary>Says what is acknowledged.</summary>
    public static void Tell(string what) => Console.WriteLine(what);

    private static async Task StartAsync(IExecutor executor, ExecutionRequest request)
    {
        await executor.StartAsync(request);
        Tell($"started {request.ExecutionId}");
    }

    private static async Task WaitAsync(IExecutor executor, ExecutionRequest request)
    {
        var result = await executor.WaitAsync(request.ExecutionId);
        Tell($"concluded {request.ExecutionId} {result.Reason} {result.ExitCode}");
    }
}
