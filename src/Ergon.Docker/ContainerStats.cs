using System.Runtime.CompilerServices;
using System.Threading.Channels;
using Ergon.Docker.Api;

namespace Ergon.Docker;

/// <summary>Reads the resource use of a container: one sample at once, then the Engine's own stream of one a second.</summary>
internal static class ContainerStats
{
    public static async IAsyncEnumerable<ExecutionStats> ReadAsync(
        EngineConnection engine, string container, TimeProvider time, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        var samples = Channel.CreateBounded<StatsSample>(new BoundedChannelOptions(8) { FullMode = BoundedChannelFullMode.DropOldest });
        using var reading = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        var pump = PumpAsync(engine, container, samples.Writer, reading.Token);
        try
        {
            await foreach (var sample in samples.Reader.ReadAllAsync(cancellationToken))
                if (sample.Cpu?.Usage is not null) yield return From(sample, time);
        }
        finally
        {
            await reading.CancelAsync();
            await pump;
        }
    }

    private static async Task PumpAsync(EngineConnection engine, string container, ChannelWriter<StatsSample> samples, CancellationToken cancellationToken)
    {
        try
        {
            var client = engine.Open();
            await foreach (var sample in client.StatsAsync(container, follow: false, cancellationToken)) samples.TryWrite(sample);
            await foreach (var sample in client.StatsAsync(container, follow: true, cancellationToken)) samples.TryWrite(sample);
            samples.TryComplete();
        }
        catch (Exception e)
        {
            samples.TryComplete(cancellationToken.IsCancellationRequested ? null : EngineErrors.Translate(e, "measure the container", engine.Address));
        }
    }

    internal static ExecutionStats From(StatsSample sample, TimeProvider time)
    {
        var memory = sample.Memory;
        var networks = sample.Networks?.Values;
        return new ExecutionStats
        {
            Timestamp = sample.Read == default ? time.GetUtcNow() : sample.Read,
            CpuTime = TimeSpan.FromTicks((long)(sample.Cpu!.Usage!.Total / 100)),
            MemoryBytes = memory?.Usage is { } usage ? InUse((long)usage, memory) : null,
            MemoryLimitBytes = (long?)memory?.Limit,
            Pids = (long?)sample.Pids?.Current,
            NetworkReceivedBytes = networks?.Sum(n => (long)n.Received),
            NetworkSentBytes = networks?.Sum(n => (long)n.Sent),
            DiskReadBytes = Blocks(sample, "read"),
            DiskWrittenBytes = Blocks(sample, "write"),
        };
    }

    // As 'docker stats' does: the cache that can be dropped at once is not in use. The two names are those of cgroup v1 and v2. The kernel sums
    // the cache up less often than the whole, so it may tell of more than there is.
    private static long InUse(long usage, MemoryStats memory)
    {
        if (memory.Details is not { } stats) return usage;
        var cache = stats.TryGetValue("total_inactive_file", out var v1) ? (long)v1 : stats.TryGetValue("inactive_file", out var v2) ? (long)v2 : 0;
        return cache < usage ? usage - cache : usage;
    }

    private static long? Blocks(StatsSample sample, string operation) => sample.Blocks?.Bytes is { Count: > 0 } entries
        ? entries.Where(e => string.Equals(e.Operation, operation, StringComparison.OrdinalIgnoreCase)).Sum(e => (long)e.Value)
        : null;
}
