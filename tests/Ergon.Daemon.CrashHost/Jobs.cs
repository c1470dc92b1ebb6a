namespace Ergon.Daemon.CrashHost;

/// <summary>What is done with an executor until it or its process is killed, and what is known of it by everyone.</summary>
/// <param name="executor">Runs the jobs.</param>
/// <param name="request">A request that runs a script under an id.</param>
/// <param name="tell">Is told what was acknowledged; by several at one time.</param>
internal sealed class Jobs(IExecutor executor, Func<string, string, ExecutionRequest> request, Action<string> tell)
{
    /// <summary>Writes numbered lines to both streams, and ends with 7.</summary>
    public const string Counting = "i=0; while [ $i -lt 20 ]; do echo out $i; echo err $i >&2; i=$((i+1)); sleep 0.02; done; exit 7";

    // It must not be over before it is paused, on a machine with much to do either.
    private const string CountingLater = "sleep 2; " + Counting;

    /// <summary>Goes on until it is stopped.</summary>
    public const string Stoppable = "trap 'echo stopping; exit 0' TERM; echo ready; while :; do sleep 1000 & wait $!; done";

    private const int AtOneTime = 8;

    /// <summary>A whole life, of one that is paused and removed, one that is cancelled, one that ends, and one whose start fails.</summary>
    /// <param name="failing">The one whose start fails, for want of its image.</param>
    public async Task CycleAsync(ExecutionRequest? failing = null)
    {
        var (counting, stoppable, ended) = (request("counting", CountingLater), request("stoppable", Stoppable), request("ended", Counting));
        await StartAsync(counting);
        await executor.PauseAsync(counting.ExecutionId);
        tell("paused counting");
        tell("resuming counting");
        await executor.ResumeAsync(counting.ExecutionId);
        tell("resumed counting");
        await WaitAsync(counting);
        tell("removing counting");
        await executor.RemoveAsync(counting.ExecutionId, TimeSpan.FromSeconds(30));
        tell("removed counting");

        await StartAsync(stoppable);
        await foreach (var _ in executor.GetLogStreamAsync(new LogStreamRequest { ExecutionId = stoppable.ExecutionId, Follow = true })) break;
        await executor.CancelAsync(stoppable.ExecutionId);
        await WaitAsync(stoppable);

        await StartAsync(ended);
        await WaitAsync(ended);
        if (failing is null) return;
        try
        {
            await executor.StartAsync(failing);
        }
        catch (ExecutorException e) when (e.Code == ErrorCode.ImageUnavailable)
        {
            tell("refused failing");
        }
    }

    /// <summary>Many at one time; number i ends with i modulo 5.</summary>
    public Task LoadAsync(int first, int count) => Parallel.ForEachAsync(
        Enumerable.Range(first, count),
        new ParallelOptions { MaxDegreeOfParallelism = AtOneTime },
        async (i, _) =>
        {
            var load = request($"load-{i}", Load(i));
            await StartAsync(load);
            await WaitAsync(load);
        });

    private static string Load(int i) => $"for n in 0 1 2 3 4 5 6 7 8 9; do echo out {i} $n; echo err {i} $n >&2; sleep 0.03; done; exit {i % 5}";

    private async Task StartAsync(ExecutionRequest one)
    {
        await executor.StartAsync(one);
        tell($"started {one.ExecutionId}");
    }

    private async Task WaitAsync(ExecutionRequest one)
    {
        var result = await executor.WaitAsync(one.ExecutionId);
        tell($"concluded {one.ExecutionId} {result.Reason} {result.ExitCode}");
    }
}
