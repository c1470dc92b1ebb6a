namespace Ergon.MicroVm.Qemu;

/// <summary>How virtual CPUs are run.</summary>
public enum Acceleration
{
    /// <summary>By KVM where a guest was seen to boot under it, by QEMU's translator otherwise.</summary>
    Auto,

    /// <summary>By KVM only.</summary>
    Kvm,

    /// <summary>By QEMU's translator (TCG): works everywhere, and runs a job five to twenty times slower.</summary>
    Tcg,
}

/// <summary>The settings of the QEMU driver.</summary>
public sealed record QemuOptions : MicroVmOptions
{
    /// <summary>QEMU's program, a path or a name that is looked for in <c>PATH</c>.</summary>
    public string Program { get; init; } = "qemu-system-x86_64";

    /// <summary>How virtual CPUs are run.</summary>
    public Acceleration Acceleration { get; init; }

    /// <summary>
    /// Whether machines begin as copies of one that has booted: kept for each kernel and size of machine in the cache, at some 100 MB each.
    /// A job then starts several times faster.
    /// </summary>
    public bool Snapshots { get; init; } = true;

    /// <summary>How many such copies are kept; the ones that were used least recently are removed.</summary>
    public int MaxSnapshots { get; init; } = 8;

    /// <summary>The machine types that a request may ask for; the first is taken when it does not.</summary>
    public IReadOnlyList<string> MachineTypes { get; init; } = ["microvm", "q35"];
}
