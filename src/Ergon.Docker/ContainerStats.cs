using System.Runtime.CompilerServices;
using System.Threading.Channels;
using Docker.DotNet.Models;

namespace Ergon.Docker;

/// <summary>Reads the resource use of a container: one sample at once, then the Engine's own stream of one a second.</summary>
internal static class ContainerStats
{
    public static async IAsyncEnumerable<ExecutionStats> ReadAsync(
        EngineConnection engine, string container, TimeProvider time, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        var samples = Channel.CreateBounded<ContainerStatsResponse>(new BoundedChannelOptions(8) { FullMode = BoundedChannelFullMode.DropOldest });
        using var reading = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        var pump = PumpAsync(engine, container, samples.Writer, reading.Token);
        try
        {
            await foreach (var sample in samples.Reader.ReadAllAsync(cancellationToken))
                if (sample.CPUStats?.CPUUsage is not null) yield return From(sample, time);
        }
        finally
        {
            await reading.CancelAsync();
            await pump;
        }
    }

    private static async Task PumpAsync(EngineConnection engine, string container, ChannelWriter<ContainerStatsResponse> samples, CancellationToken cancellationToken)
    {
        try
        {
            var client = engine.Open();
            var progress = new SynchronousProgress<ContainerStatsResponse>(sample => samples.TryWrite(sample));
            await client.Containers.GetContainerStatsAsync(container, new ContainerStatsParameters { Stream = false, OneShot = true }, progress, cancellationToken);
            await client.Containers.GetContainerStatsAsync(container, new ContainerStatsParameters { Stream = true }, progress, cancellationToken);
            samples.TryComplete();
        }
        catch (Exception e)
        {
            samples.TryComplete(cancellationToken.IsCancellationRequested ? null : EngineErrors.Translate(e, "measure the container", engine.Address));
        }
    }

    private static ExecutionStats From(ContainerStatsResponse sample, TimeProvider time)
    {
        var memory = sample.MemoryStats;
        var networks = sample.Networks?.Values;
        return new ExecutionStats
        {
            Timestamp = sample.Read == default ? time.GetUtcNow() : new DateTimeOffset(DateTime.SpecifyKind(sample.Read, DateTimeKind.Utc)),
            CpuTime = TimeSpan.FromTicks((long)(sample.CPUStats!.CPUUsage!.TotalUsage / 100)),
            MemoryBytes = memory?.Usage is { } usage ? (long)usage - InactiveFile(memory) : null,
            MemoryLimitBytes = (long?)memory?.Limit,
            Pids = (long?)sample.PidsStats?.Current,
            NetworkReceivedBytes = networks?.Sum(n => (long)n.RxBytes),
            NetworkSentBytes = networks?.Sum(n => (long)n.TxBytes),
            DiskReadBytes = Blocks(sample, "read"),
            DiskWrittenBytes = Blocks(sample, "write"),
        };
    }

    // As 'docker stats' does: the cache that can be dropped at once is not in use. The two names are those of cgroup v1 and v2.
    private static long InactiveFile(MemoryStats memory)
    {
        if (memory.Stats is not { } stats) return 0;
        return stats.TryGetValue("total_inactive_file", out var v1) ? (long)v1 : stats.TryGetValue("inactive_file", out var v2) ? (long)v2 : 0;
    }

    private static long? Blocks(ContainerStatsResponse sample, string operation) => sample.BlkioStats?.IoServiceBytesRecursive is { Count: > 0 } entries
        ? entries.Where(e => string.Equals(e.Op, operation, StringComparison.OrdinalIgnoreCase)).Sum(e => (long)e.Value)
        : null;
}
