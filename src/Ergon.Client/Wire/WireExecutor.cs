using P = Ergon.Protocol.V1;

namespace Ergon.Client.Wire;

/// <summary>What an executor is and what its executions use, to the wire and from it.</summary>
internal static class WireExecutor
{
    public static P.ExecutorFingerprint ToWire(this ExecutorFingerprint fingerprint)
    {
        var wire = new P.ExecutorFingerprint
        {
            Executor = fingerprint.Executor,
            Available = fingerprint.Available,
            Capabilities = ToWire(fingerprint.Capabilities),
        };
        if (fingerprint.Version is { } version) wire.Version = version;
        foreach (var problem in fingerprint.Problems)
            wire.Problems.Add(new P.FingerprintProblem { Problem = problem.Problem, Remedy = problem.Remedy });
        wire.Details.AddAll(fingerprint.Details);
        return wire;
    }

    public static ExecutorFingerprint FromWire(this P.ExecutorFingerprint wire) => new()
    {
        Executor = wire.Executor,
        Available = wire.Available,
        Version = wire.HasVersion ? wire.Version : null,
        Capabilities = FromWire(wire.Capabilities ?? new P.ExecutorCapabilities()),
        Problems = [.. wire.Problems.Select(p => new FingerprintProblem(p.Problem, p.Remedy))],
        Details = wire.Details.ToDictionary(),
    };

    public static P.ExecutionStats ToWire(this ExecutionStats stats)
    {
        var wire = new P.ExecutionStats { Timestamp = stats.Timestamp.ToWire(), CpuTime = stats.CpuTime.ToWire() };
        if (stats.MemoryBytes is { } memory) wire.MemoryBytes = memory;
        if (stats.MemoryLimitBytes is { } limit) wire.MemoryLimitBytes = limit;
        if (stats.Pids is { } pids) wire.Pids = pids;
        if (stats.NetworkReceivedBytes is { } received) wire.NetworkReceivedBytes = received;
        if (stats.NetworkSentBytes is { } sent) wire.NetworkSentBytes = sent;
        if (stats.DiskReadBytes is { } read) wire.DiskReadBytes = read;
        if (stats.DiskWrittenBytes is { } written) wire.DiskWrittenBytes = written;
        return wire;
    }

    public static ExecutionStats FromWire(this P.ExecutionStats wire) => new()
    {
        Timestamp = wire.Timestamp.FromWire(),
        CpuTime = wire.CpuTime?.FromWire() ?? TimeSpan.Zero,
        MemoryBytes = wire.HasMemoryBytes ? wire.MemoryBytes : null,
        MemoryLimitBytes = wire.HasMemoryLimitBytes ? wire.MemoryLimitBytes : null,
        Pids = wire.HasPids ? wire.Pids : null,
        NetworkReceivedBytes = wire.HasNetworkReceivedBytes ? wire.NetworkReceivedBytes : null,
        NetworkSentBytes = wire.HasNetworkSentBytes ? wire.NetworkSentBytes : null,
        DiskReadBytes = wire.HasDiskReadBytes ? wire.DiskReadBytes : null,
        DiskWrittenBytes = wire.HasDiskWrittenBytes ? wire.DiskWrittenBytes : null,
    };

    private static P.ExecutorCapabilities ToWire(ExecutorCapabilities can)
    {
        var wire = new P.ExecutorCapabilities
        {
            Images = can.Images,
            Pause = can.Pause,
            Exec = can.Exec,
            Stats = can.Stats,
            MemoryLimit = can.MemoryLimit,
            CpuLimit = can.CpuLimit,
            PidsLimit = can.PidsLimit,
            DiskLimit = can.DiskLimit,
            Gpus = can.Gpus,
            FileSystemIsolation = can.FileSystemIsolation,
            WritableInputs = can.WritableInputs,
            Recovery = can.Recovery,
            ExactSignals = can.ExactSignals,
        };
        wire.Networks.AddRange(can.Networks.Select(n => (P.NetworkMode)(n + 1)));
        return wire;
    }

    private static ExecutorCapabilities FromWire(P.ExecutorCapabilities wire) => new()
    {
        Images = wire.Images,
        Pause = wire.Pause,
        Exec = wire.Exec,
        Stats = wire.Stats,
        MemoryLimit = wire.MemoryLimit,
        CpuLimit = wire.CpuLimit,
        PidsLimit = wire.PidsLimit,
        DiskLimit = wire.DiskLimit,
        Gpus = wire.Gpus,
        FileSystemIsolation = wire.FileSystemIsolation,
        WritableInputs = wire.WritableInputs,
        Networks = [.. wire.Networks.Select(n => (NetworkMode)(n - 1))],
        Recovery = wire.Recovery,
        ExactSignals = wire.ExactSignals,
    };
}
