namespace Ergon;

/// <summary>What an execution may use. <see langword="null"/> means: no limit of its own.</summary>
public sealed record Resources
{
    /// <summary>CPU time per wall time, in cores; fractions are allowed (1.5).</summary>
    public double? Cpu { get; init; }

    /// <summary>Memory, in bytes; swap is never added to it.</summary>
    public long? Memory { get; init; }

    /// <summary>Writable disk, in bytes.</summary>
    public long? Disk { get; init; }

    /// <summary>The most processes and threads at one time.</summary>
    public long Pids { get; init; } = 512;

    /// <summary>The GPUs to give to the execution.</summary>
    public IReadOnlyList<Gpu> Gpus { get; init; } = [];
}

/// <summary>Who made a GPU.</summary>
public enum GpuVendor
{
    /// <summary>NVIDIA: given through its container runtime.</summary>
    Nvidia,

    /// <summary>AMD: given as device nodes.</summary>
    Amd,

    /// <summary>Intel: given as device nodes.</summary>
    Intel,
}

/// <summary>One GPU.</summary>
public sealed record Gpu
{
    /// <summary>Who made it.</summary>
    public GpuVendor Vendor { get; init; } = GpuVendor.Nvidia;

    /// <summary>Its index or UUID (NVIDIA), or its render node such as <c>/dev/dri/renderD128</c> (AMD, Intel). <see langword="null"/>: any one.</summary>
    public string? Device { get; init; }
}
