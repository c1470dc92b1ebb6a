using System.Diagnostics;
using Ergon.Process;

namespace Ergon.Benchmarks;

/// <summary>How fast the output of a job goes from its pipe into the log file, beside the same pipe into nothing.</summary>
internal static class LogBenchmark
{
    private const long Bytes = 1L << 30;
    private const int Rounds = 5;

    public static async Task<string> RunAsync()
    {
        await using var executor = ProcessExecutor.Create();
        var contenders = new[] { new Contender("bare pipe, read and dropped", DropAsync), new Contender("Ergon log", () => LogAsync(executor)) };
        var measured = await Alternation.MeasureAsync(contenders, Rounds, concurrency: 1);
        var rates = string.Join(", ", measured.Select(m => $"{m.Name}: {Bytes / m.P50 / 1e6:0.00} GB/s"));
        return Table.Of("A job that writes 1 GiB", measured) + "\n" + rates + "\n";
    }

    private static string[] Arguments => ["if=/dev/zero", "bs=64k", $"count={Bytes / 65536}", "status=none"];

    private static async Task DropAsync()
    {
        using var process = System.Diagnostics.Process.Start(new ProcessStartInfo("dd", Arguments) { RedirectStandardOutput = true, UseShellExecute = false })!;
        await process.StandardOutput.BaseStream.CopyToAsync(Stream.Null);
        await process.WaitForExitAsync();
    }

    private static async Task LogAsync(Executor executor)
    {
        var id = ExecutionId.New();
        var result = await executor.RunAsync(new ExecutionRequest
        {
            JobId = JobId.Parse("benchmark"),
            ExecutionId = id,
            EngineSpec = new ProcessSpec { Cmd = ["dd", .. Arguments] }.ToSpecConfig(),
            LogLimits = new LogLimits { MaxBytesPerStream = 2 * Bytes },
        });
        if (result.Stdout.TotalBytes != Bytes) throw new InvalidOperationException($"{result.Stdout.TotalBytes} bytes came through: {result.Error}");
        await executor.RemoveAsync(id, TimeSpan.FromSeconds(10));
    }
}
