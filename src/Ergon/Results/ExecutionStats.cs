namespace Ergon;

/// <summary>What an execution used, at one moment. <see langword="null"/>: the backend cannot tell.</summary>
public sealed record ExecutionStats
{
    /// <summary>When it was measured (UTC).</summary>
    public required DateTimeOffset Timestamp { get; init; }

    /// <summary>CPU time used since the start.</summary>
    public required TimeSpan CpuTime { get; init; }

    /// <summary>Memory in use, in bytes, without the page cache that can be dropped.</summary>
    public long? MemoryBytes { get; init; }

    /// <summary>The memory limit, in bytes.</summary>
    public long? MemoryLimitBytes { get; init; }

    /// <summary>Processes and threads.</summary>
    public long? Pids { get; init; }

    /// <summary>Bytes received.</summary>
    public long? NetworkReceivedBytes { get; init; }

    /// <summary>Bytes sent.</summary>
    public long? NetworkSentBytes { get; init; }

    /// <summary>Bytes read from block devices.</summary>
    public long? DiskReadBytes { get; init; }

    /// <summary>Bytes written to block devices.</summary>
    public long? DiskWrittenBytes { get; init; }
}
