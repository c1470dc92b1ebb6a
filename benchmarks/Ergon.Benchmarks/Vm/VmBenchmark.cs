using System.Diagnostics;
using System.Globalization;
using System.Text;
using Ergon.Linux;
using Ergon.MicroVm;
using Ergon.MicroVm.Qemu;
using Ergon.MicroVm.Tests.Guests;

namespace Ergon.Benchmarks;

/// <summary>
/// Jobs in QEMU guests, booted, begun as copies and in machines that waited for them, beside the same machine with the smallest init there can be, in turns. The kernel is the one
/// that <c>ergon vm setup</c> fetched, or the one that <c>ERGON_TEST_KERNEL</c> names.
/// </summary>
internal static class VmBenchmark
{
    private const int Restores = 200;
    private const int RestoresAtATime = 4;

    public static async Task<string> RunAsync(int rounds)
    {
        var directory = Directory.CreateTempSubdirectory("ergon-benchmark-").FullName;
        try
        {
            var image = await BusyboxImage.WriteAsync(Path.Combine(directory, "busybox.tar"));
            var options = new QemuOptions
            {
                KernelImage = Environment.GetEnvironmentVariable("ERGON_TEST_KERNEL"),
                CacheDirectory = Path.Combine(directory, "cache"),
                AllowedImagePaths = [directory],
                Acceleration = Acceleration.Tcg,
            };
            using var phases = new PhaseTimes();
            await using var cold = QemuExecutor.Create(options with { Snapshots = false });
            await using var copies = QemuExecutor.Create(options);
            await using var waiting = QemuExecutor.Create(options with { WarmMachines = new WarmMachineOptions { MaxIdle = 1 } });
            // One waits for the next when two have been asked for.
            for (var i = 0; i < 2; i++) await RunJobAsync(waiting, image, phases);
            var (arguments, overhead) = await LookAtMachineAsync(cold, image);
            var bare = new BareGuest(arguments, directory);
            await bare.MakeAsync();
            var kernel = Directory.EnumerateFiles(Path.Combine(directory, "cache"), "vmlinux*", SearchOption.AllDirectories).First();
            return await MeasureAsync(
                rounds,
                overhead,
                new("bare boot, tuned as Ergon's", () => bare.RunTunedAsync(kernel)),
                new("bare boot, plain", () => bare.RunPlainAsync(kernel)),
                new("Ergon, booted", () => RunJobAsync(cold, image, phases)),
                new("Ergon, from a copy", () => RunJobAsync(copies, image, phases)),
                new("Ergon, in a machine that waited", () => RunJobInWaitingAsync(waiting, image, phases))) + await RestoreManyAsync(copies, image, phases);
        }
        finally
        {
            Directory.Delete(directory, recursive: true);
        }
    }

    private static async Task<string> MeasureAsync(int rounds, string overhead, params VmContender[] contenders)
    {
        foreach (var contender in contenders)
            for (var i = 0; i < 2; i++) await contender.RunAsync();
        for (var round = 0; round < rounds; round++)
            foreach (var contender in round % 2 == 0 ? contenders : [.. contenders.Reverse()])
                contender.Runs.Add(await contender.RunAsync());
        return TableOf(contenders) + overhead;
    }

    private static string TableOf(VmContender[] contenders)
    {
        var text = new StringBuilder("\n### QEMU guests, one at a time\n\n| p50, ms | first byte | p95 | ratio | end | ratio | agent ready | image, disks | VMM | kernel | agent | configured, started |\n|---|---|---|---|---|---|---|---|---|---|---|---|\n");
        var floor = contenders[0];
        foreach (var c in contenders)
        {
            text.Append(CultureInfo.InvariantCulture, $"| {c.Name} | {c.FirstByte(0.5):0} | {c.FirstByte(0.95):0} | {c.FirstByte(0.5) / floor.FirstByte(0.5):0.000} | {c.End(0.5):0} | {c.End(0.5) / floor.End(0.5):0.000} |");
            text.Append(CultureInfo.InvariantCulture, $" {c.Phase("image", "disks", "warm", "vmm", "boot"):0} | {c.Phase("image", "disks"):0} | {c.Phase("vmm"):0} | {c.Phase("agent start"):0} | {c.Phase("uptime") - c.Phase("agent start"):0} | {c.Phase("configure", "start"):0} |\n");
        }

        return text.ToString();
    }

    private static async Task<VmRun> RunJobAsync(Executor executor, string image, PhaseTimes phases)
    {
        var request = Request(image, "echo", "hello");
        var begun = Stopwatch.GetTimestamp();
        await executor.StartAsync(request);
        TimeSpan? first = null;
        var text = new StringBuilder();
        await foreach (var entry in executor.GetLogStreamAsync(new LogStreamRequest { ExecutionId = request.ExecutionId, Follow = true }))
        {
            first ??= Stopwatch.GetElapsedTime(begun);
            text.Append(Encoding.UTF8.GetString(entry.Data.Span));
        }

        var result = await executor.WaitAsync(request.ExecutionId);
        var end = Stopwatch.GetElapsedTime(begun);
        await executor.RemoveAsync(request.ExecutionId, TimeSpan.FromSeconds(30));
        if (result.ExitCode != 0 || text.ToString() != "hello\n") throw new InvalidOperationException($"The job failed: {result.Reason} {result.Error}");
        return new VmRun { FirstByte = first!.Value, End = end, Phases = phases.Of(request.ExecutionId) };
    }

    private static async Task<VmRun> RunJobInWaitingAsync(Executor executor, string image, PhaseTimes phases)
    {
        while ((await executor.FingerprintAsync()).Details["warm_machines"] == "0 waiting") await Task.Delay(100);
        return await RunJobAsync(executor, image, phases);
    }

    private static async Task<string> RestoreManyAsync(Executor executor, string image, PhaseTimes phases)
    {
        var (wrong, begun) = (0, Stopwatch.GetTimestamp());
        await Parallel.ForEachAsync(Enumerable.Range(0, Restores), new ParallelOptions { MaxDegreeOfParallelism = RestoresAtATime }, async (_, _) =>
        {
            try
            {
                await RunJobAsync(executor, image, phases);
            }
            catch (Exception e) when (e is ExecutorException or InvalidOperationException)
            {
                Interlocked.Increment(ref wrong);
                await Console.Error.WriteLineAsync(e.Message);
            }
        });
        return string.Create(CultureInfo.InvariantCulture, $"\n{Restores} from copies, {RestoresAtATime} at a time: {wrong} wrong, {Restores / Stopwatch.GetElapsedTime(begun).TotalSeconds:0.0} jobs/s\n");
    }

    // What QEMU was told, and how much more memory it takes than it gave to its guest.
    private static async Task<(IReadOnlyList<string> Arguments, string Overhead)> LookAtMachineAsync(Executor executor, string image)
    {
        var request = Request(image, "sleep", "1000");
        await executor.StartAsync(request);
        var (id, line) = ProcessTable.WithVariable($"ERGON_EXECUTION={executor.ExecutorId}/{request.ExecutionId}").Select(p => (p.Id, File.ReadAllText($"/proc/{p.Id}/cmdline"))).First();
        var resident = string.Join(", ", new[] { "RssAnon", "RssFile", "RssShmem" }.Select(name => $"{name} {FieldOf(id, name) / 1024} MiB"));
        await executor.RemoveAsync(request.ExecutionId, TimeSpan.FromSeconds(30));
        return (line.TrimEnd('\0').Split('\0'), $"\nA guest of 256 MiB that sleeps: {resident}\n");
    }

    private static long FieldOf(int id, string name) => long.Parse(
        File.ReadLines($"/proc/{id}/status").First(l => l.StartsWith(name, StringComparison.Ordinal)).Split(' ', StringSplitOptions.RemoveEmptyEntries)[^2],
        CultureInfo.InvariantCulture);

    private static ExecutionRequest Request(string image, params string[] command) => new()
    {
        JobId = JobId.Parse("benchmark"),
        ExecutionId = ExecutionId.New(),
        EngineSpec = new MicroVmSpec { Image = image, Cmd = command }.ToSpecConfig(QemuExecutor.Type),
        Resources = new Resources { Memory = 256L << 20 },
    };
}
