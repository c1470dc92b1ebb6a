namespace Ergon.Admission;

/// <summary>An amount of each resource. <see langword="null"/>: without a limit.</summary>
public sealed record ResourceLimits
{
    /// <summary>CPU, in cores.</summary>
    public double? Cpu { get; init; }

    /// <summary>Memory, in bytes.</summary>
    public long? Memory { get; init; }

    /// <summary>Writable disk, in bytes.</summary>
    public long? Disk { get; init; }

    /// <summary>GPUs.</summary>
    public int? Gpus { get; init; }
}

/// <summary>What executions may take, together and each.</summary>
public sealed record AdmissionOptions
{
    /// <summary>What all executions may take at one time; who comes when it is taken waits.</summary>
    public ResourceLimits Total { get; init; } = new();

    /// <summary>What one execution may take; a request for more is refused.</summary>
    public ResourceLimits PerRequest { get; init; } = new();

    /// <summary>How many executions may be prepared, running or paused at one time. <see langword="null"/>: any number.</summary>
    public int? MaxExecutions { get; init; }

    /// <summary>How many may wait; who comes after them is refused with <see cref="ErrorCode.ResourcesUnavailable"/>.</summary>
    public int MaxQueued { get; init; } = 1000;

    /// <summary>What a request is counted with for what it leaves open. It is not limited by that.</summary>
    public ResourceLimits Unstated { get; init; } = new() { Cpu = 1, Memory = 512L << 20, Disk = 0, Gpus = 0 };
}
