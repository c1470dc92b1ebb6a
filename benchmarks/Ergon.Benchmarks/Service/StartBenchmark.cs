using System.Diagnostics;
using Ergon.Daemon.Storage;
using Ergon.Process;

namespace Ergon.Benchmarks.Service;

/// <summary><c>StartAsync</c> over the daemon's Unix socket, beside the same call to the library in the same process, both with a durable store.</summary>
internal static class StartBenchmark
{
    private const int WarmUps = 20;

    public static async Task<string> RunAsync(int rounds)
    {
        var directory = Directory.CreateTempSubdirectory("ergon-benchmark-");
        try
        {
            await using var store = await SqliteExecutionStore.OpenAsync(new SqliteStoreOptions { Path = Path.Combine(directory.FullName, "ergon.db") });
            await using var library = ProcessExecutor.Create(executorOptions: new ExecutorOptions { DataDirectory = directory.FullName, ExecutorId = "library", Store = store });
            await using var daemon = await ServedDaemon.StartAsync(file => file with { Executors = ["process"] });
            await using var remote = daemon.Connect();
            var (inProcess, overSocket) = (new List<double>(), new List<double>());
            for (var round = -WarmUps; round < rounds; round++)
            {
                // The order is turned round every time: nobody is always the one who finds the caches warm.
                var turns = new (IExecutor Executor, List<double> Samples)[] { (library, inProcess), (remote, overSocket) };
                if (round % 2 != 0) Array.Reverse(turns);
                foreach (var (executor, samples) in turns)
                {
                    var took = await TimeStartAsync(executor);
                    if (round >= 0) samples.Add(took);
                }
            }

            return TimesTable.Of(
                "StartAsync of a local process, milliseconds", [("the library, with its store in SQLite", inProcess), ("a daemon over its Unix socket", overSocket)]);
        }
        finally
        {
            directory.Delete(recursive: true);
        }
    }

    private static async Task<double> TimeStartAsync(IExecutor executor)
    {
        var request = Jobs.Of("true");
        var begun = Stopwatch.GetTimestamp();
        await executor.StartAsync(request);
        var took = Stopwatch.GetElapsedTime(begun).TotalMilliseconds;
        await executor.WaitAsync(request.ExecutionId);
        await executor.RemoveAsync(request.ExecutionId, TimeSpan.FromSeconds(10));
        return took;
    }
}
