namespace Ergon.Linux;

/// <summary>What <c>/proc</c> and <c>/sys</c> tell of the machine, or let anybody change in it, and a job has no business with. As Docker's containers have it.</summary>
internal static class ProtectedPaths
{
    private const MountFlags Unchangeable = MountFlags.NoSetUid | MountFlags.NoDevices | MountFlags.ReadOnly;

    /// <summary>Files that are empty to a job.</summary>
    public static IReadOnlyList<string> MaskedFiles { get; } =
        ["/proc/interrupts", "/proc/kcore", "/proc/keys", "/proc/latency_stats", "/proc/sched_debug", "/proc/timer_list", "/proc/timer_stats"];

    /// <summary>Directories that are empty to a job.</summary>
    public static IReadOnlyList<string> MaskedDirectories { get; } =
        ["/proc/acpi", "/proc/asound", "/proc/scsi", "/sys/devices/virtual/powercap", "/sys/firmware", "/sys/kernel/security"];

    /// <summary>What a job may read and not change.</summary>
    public static IReadOnlyList<string> ReadOnly { get; } = ["/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"];

    /// <summary>Protects those that are there.</summary>
    public static void ProtectPaths(this LaunchScript script)
    {
        foreach (var file in MaskedFiles) script.Mount("/dev/null", file, null, MountFlags.Bind, tolerated: Errno.NoEntry);
        foreach (var directory in MaskedDirectories)
            script.Mount("ergon-masked", directory, "tmpfs", Unchangeable, "mode=0555,size=4k", Errno.NoEntry, Errno.NotADirectory);
        foreach (var path in ReadOnly)
        {
            script.Mount(path, path, null, MountFlags.Bind | MountFlags.Recursive, tolerated: Errno.NoEntry);
            script.Mount(null, path, null, MountFlags.Remount | MountFlags.Bind | Unchangeable | MountFlags.NoExecute, null, Errno.NoEntry, Errno.Invalid);
        }
    }
}
