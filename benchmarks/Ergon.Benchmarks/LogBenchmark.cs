using System.Diagnostics;
using Ergon.Docker;
using Ergon.Process;

namespace Ergon.Benchmarks;

/// <summary>How fast the output of a job goes into Ergon's log, beside the same output read and dropped, and what memory that takes.</summary>
internal static class LogBenchmark
{
    private const long Bytes = 1L << 30;
    private const int Rounds = 5;

    // Each run is long: the first one warms up enough.
    private const int WarmUps = 1;

    // Without dd's report on standard error, which would be output too.
    private static readonly string[] Command = ["sh", "-c", $"dd if=/dev/zero bs=64k count={Bytes / 65536} 2>/dev/null"];

    public static async Task<Section> RunAsync(Alternation alternation, string host)
    {
        using var engine = new HttpEngine(host);
        await using var process = ProcessExecutor.Create();
        await using var docker = DockerExecutor.Create();
        var drop = static () => Task.CompletedTask;
        var processes = await MeasureAsync(
            alternation,
            "A process that writes 1 GiB",
            ("bare pipe, read and dropped", DropAsync, drop),
            ("Ergon log", () => LogAsync(process, new ProcessSpec { Cmd = Command }.ToSpecConfig()), () => RemoveAsync(process)));
        var containers = await MeasureAsync(
            alternation,
            "A Docker container that writes 1 GiB",
            ("Engine API, attached, read and dropped", async () => Check(await engine.RunAsync(Command), null), drop),
            ("Ergon log", () => LogAsync(docker, new DockerSpec { Image = "busybox:latest", Cmd = Command }.ToSpecConfig()), () => RemoveAsync(docker)));
        return "\n## Output\n" + processes + containers;
    }

    private static async Task<string> MeasureAsync(Alternation alternation, string title, params (string Name, Func<Task> Run, Func<Task> CleanUp)[] ways)
    {
        var peaks = ways.Select(_ => new PeakMemory()).ToArray();
        var measured = await alternation.MeasureAsync([.. ways.Select((w, i) => new Contender(w.Name, () => peaks[i].DuringAsync(w.Run)) { CleanUp = w.CleanUp })], Rounds, warmUps: WarmUps);
        var lines = measured.Select((m, i) =>
            $"- {m.Name}: {Bytes / m.P50 / 1e6:0.00} GB/s, {measured[0].P50 / m.P50:0.0%} of the first; resident memory of the client at most {peaks[i].MiB:0} MiB\n");
        return $"{Table.Of(title, measured)}\n{string.Concat(lines)}";
    }

    private static async Task DropAsync()
    {
        using var process = System.Diagnostics.Process.Start(new ProcessStartInfo(Command[0], Command[1..]) { RedirectStandardOutput = true, UseShellExecute = false })!;
        await process.StandardOutput.BaseStream.CopyToAsync(Stream.Null);
        await process.WaitForExitAsync();
    }

    private static async Task LogAsync(Executor executor, SpecConfig spec)
    {
        var result = await executor.RunAsync(new ExecutionRequest
        {
            JobId = JobId.Parse("benchmark"),
            ExecutionId = ExecutionId.New(),
            EngineSpec = spec,
            LogLimits = new LogLimits { MaxBytesPerStream = 2 * Bytes },
        });
        Check(result.Stdout.TotalBytes, result.Error);
    }

    // That a file of a gibibyte is deleted says nothing of how fast it was written.
    private static async Task RemoveAsync(Executor executor)
    {
        foreach (var info in await executor.ListAsync()) await executor.RemoveAsync(info.ExecutionId, TimeSpan.FromSeconds(10));
    }

    private static void Check(long bytes, string? error)
    {
        if (bytes != Bytes) throw new InvalidOperationException($"{bytes} bytes came through: {error}");
    }
}
