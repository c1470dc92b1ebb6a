namespace Ergon.MicroVm.Firecracker;

/// <summary>The settings of the Firecracker driver.</summary>
public sealed record FirecrackerOptions : MicroVmOptions
{
    /// <summary>Firecracker's program (1.7 or newer), a path or a name that is looked for in <c>PATH</c>.</summary>
    public string Program { get; init; } = "firecracker";

    /// <summary>The CPU template that guests get (<c>T2</c>, <c>T2S</c>, ...); <see langword="null"/>: the host's CPU as it is.</summary>
    public string? CpuTemplate { get; init; }

    /// <summary>The most bytes a second that a guest reads and writes on each of its disks; <see langword="null"/>: not limited.</summary>
    public long? DiskBytesPerSecond { get; init; }

    /// <summary>The most bytes a second that a guest receives, and that it sends; <see langword="null"/>: not limited.</summary>
    public long? NetworkBytesPerSecond { get; init; }

    /// <summary>Whether guests get a memory balloon that gives memory back when the guest runs short of it.</summary>
    public bool Balloon { get; init; }

    /// <summary>How the jailer shuts Firecracker in; <see langword="null"/>: it is started directly, as <see cref="MicroVmOptions.User"/>.</summary>
    public JailerOptions? Jailer { get; init; }
}

/// <summary>The settings of Firecracker's jailer, which needs root.</summary>
public sealed record JailerOptions
{
    /// <summary>The jailer's program, a path or a name that is looked for in <c>PATH</c>.</summary>
    public string Program { get; init; } = "jailer";

    /// <summary>The directory in which each machine gets its root directory; it must be on the file system of the cache, or images are copied.</summary>
    public string BaseDirectory { get; init; } = "/srv/jailer";

    /// <summary>The first of the user and group numbers that machines run as; each has one of its own.</summary>
    public uint FirstUserId { get; init; } = 900_000;

    /// <summary>How many user numbers there are, and so how many machines may run.</summary>
    public uint UserIds { get; init; } = 10_000;
}
