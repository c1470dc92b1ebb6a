using System.Text;
using Ergon.Daemon;

namespace Ergon.Benchmarks.Service;

/// <summary>A day's executions one after another, of which few are retained: does what the daemon holds grow?</summary>
internal static class ChurnBenchmark
{
    private const int AtOneTime = 16;
    private const int Retained = 500;
    private const int Readings = 8;

    // After this the daemon has given back what it does not need.
    private static readonly TimeSpan Rest = TimeSpan.FromSeconds(10);

    public static async Task<string> RunAsync(int executions)
    {
        await using var daemon = await ServedDaemon.StartAsync(file => file with
        {
            Executors = ["process"], PersistLogs = TimeSpan.FromHours(24), Retention = new RetentionFile { MaxExecutions = Retained },
        });
        await using var client = daemon.Connect();
        var text = new StringBuilder($"\n### {executions} executions, {AtOneTime} at a time, the last {Retained} of them retained\n\n"
            + "| executions | resident MiB | anonymous MiB | open files | disk MiB |\n|---|---|---|---|---|\n");
        for (var reading = 1; reading <= Readings; reading++)
        {
            await Parallel.ForEachAsync(Enumerable.Range(0, executions / Readings), new ParallelOptions { MaxDegreeOfParallelism = AtOneTime }, async (i, token) =>
            {
                var request = Jobs.Of("sh", "-c", $"echo {i}; exit {i % 3}");
                var result = await client.RunAsync(request, token);
                if (result.ExitCode != i % 3) throw new InvalidOperationException($"Execution {i} came to {result.Reason} {result.ExitCode}: {result.Error}");
            });
            await Task.Delay(Rest);
            text.Append($"| {executions / Readings * reading} | {daemon.ResidentMiB:0} | {daemon.AnonymousMiB:0} | {daemon.OpenFiles} | {daemon.DiskMiB:0.0} |\n");
        }

        return text.ToString();
    }
}
