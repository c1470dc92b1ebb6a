using System.CommandLine;
using Ergon.Client;

namespace Ergon.Cli.Client;

/// <summary><c>ergon stats</c>: what an execution uses, sample by sample.</summary>
internal static class StatsCommand
{
    private static readonly Option<bool> Once = new("--once") { Description = "One sample alone." };

    public static Command Create() => ClientCommand.Create(
        "stats", "Prints what an execution uses, until it ends.", [ClientCommand.Id, Once, ClientCommand.Json], RunAsync);

    private static async Task<int> RunAsync(ParseResult parsed, RemoteExecutor executor, CancellationToken cancellationToken)
    {
        var id = await ClientCommand.ResolveAsync(executor, parsed.GetRequiredValue(ClientCommand.Id), cancellationToken);
        ExecutionStats? last = null;
        await foreach (var sample in executor.GetStatsAsync(id, cancellationToken))
        {
            if (parsed.GetValue(ClientCommand.Json)) await ClientCommands.PrintAsync(ErgonJson.SerializeStats(sample));
            else Print(sample, last);
            last = sample;
            if (parsed.GetValue(Once)) break;
        }

        return 0;
    }

    private static void Print(ExecutionStats sample, ExecutionStats? last)
    {
        if (last is null) Console.WriteLine("cpu\tcpu time\tmemory\tlimit\tprocesses\treceived\tsent\tread\twritten");
        var passed = last is null ? TimeSpan.Zero : sample.Timestamp - last.Timestamp;
        var cpu = passed > TimeSpan.Zero ? $"{(sample.CpuTime - last!.CpuTime) / passed * 100:f0}%" : "-";
        Console.WriteLine(string.Join(
            '\t', cpu, Duration.Format(sample.CpuTime), Size(sample.MemoryBytes), Size(sample.MemoryLimitBytes), sample.Pids?.ToString() ?? "-",
            Size(sample.NetworkReceivedBytes), Size(sample.NetworkSentBytes), Size(sample.DiskReadBytes), Size(sample.DiskWrittenBytes)));
    }

    private static string Size(long? bytes) => bytes switch
    {
        null => "-",
        >= 1L << 30 => $"{bytes / (double)(1L << 30):f1}g",
        >= 1L << 20 => $"{bytes / (double)(1L << 20):f1}m",
        >= 1L << 10 => $"{bytes / (double)(1L << 10):f1}k",
        _ => $"{bytes}",
    };
}
