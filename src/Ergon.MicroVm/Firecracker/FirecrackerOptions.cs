namespace Ergon.MicroVm.Firecracker;

/// <summary>The settings of the Firecracker driver.</summary>
public sealed record FirecrackerOptions : MicroVmOptions
{
    /// <summary>Firecracker's program (1.7 or newer), a path or a name that is looked for in <c>PATH</c>.</summary>
    public string Program { get; init; } = "firecracker";

    /// <summary>How each machine is put into a jail of its own; <see langword="null"/>: it is not.</summary>
    public JailerOptions? Jailer { get; init; }

    /// <summary>The CPU template that guests get (<c>T2</c>, <c>T2S</c>, ...); <see langword="null"/>: the host's CPU as it is.</summary>
    public string? CpuTemplate { get; init; }

    /// <summary>The most bytes a second that a guest reads and writes on each of its disks; <see langword="null"/>: not limited.</summary>
    public long? DiskBytesPerSecond { get; init; }

    /// <summary>The most bytes a second that a guest receives, and that it sends; <see langword="null"/>: not limited.</summary>
    public long? NetworkBytesPerSecond { get; init; }

    /// <summary>
    /// Whether machines begin as copies of one that has booted: kept for each kernel and size of machine in the cache, each as large as the machine's memory.
    /// A job then starts several times faster.
    /// </summary>
    public bool Snapshots { get; init; }

    /// <summary>How many such copies are kept; the ones that were used least recently are removed.</summary>
    public int MaxSnapshots { get; init; } = 8;

    /// <summary>Whether guests get a memory balloon that gives memory back when the guest runs short of it.</summary>
    public bool Balloon { get; init; }
}
