using Ergon.Linux;

namespace Ergon.MicroVm.Execution;

/// <summary>How large the machine of a request is, and what its VMM may use of the host.</summary>
internal sealed record MachineSize(int Cpus, double? CpuQuota, long JobMemory, long GuestMemory, long Disk)
{
    private const long MiB = 1024 * 1024;

    // What the guest's kernel and agent take for themselves, with a part that grows with the memory that has to be kept account of.
    private const long GuestOverhead = 80 * MiB;
    private const int AccountingShare = 64;

    // Few sizes, so that machines can begin as copies of each other. The job itself is limited in the guest to what it was given.
    private const long SizeStep = 32 * MiB;

    // What QEMU or Firecracker takes beside the guest's memory: its own code and heap, its translator, and the cache of the images that it reads.
    private const long VmmOverhead = 320 * MiB;
    private const long VmmThreads = 64;

    public static MachineSize Of(Resources resources, MicroVmOptions options)
    {
        var memory = resources.Memory ?? options.DefaultMemory;
        var guest = RoundUp(memory + (memory / AccountingShare) + GuestOverhead, SizeStep);
        var cpus = resources.Cpu is { } cpu ? Math.Max(1, (int)Math.Ceiling(cpu)) : options.DefaultCpus;
        return new MachineSize(cpus, resources.Cpu, memory, guest, RoundUp(resources.Disk ?? options.DefaultDisk, 4096));
    }

    /// <summary>The limits of the VMM's cgroup. The CPU is limited later, when the guest has booted: booting is not the job's doing.</summary>
    public CgroupLimits LimitsFor(CgroupAbilities can) => LimitsFor(Cpus, GuestMemory, can);

    /// <summary>The limits of the cgroup of a VMM that has so many virtual CPUs and so much memory.</summary>
    public static CgroupLimits LimitsFor(int cpus, long guestMemory, CgroupAbilities can) =>
        new(can.Memory ? guestMemory + VmmOverhead : null, null, can.Pids ? VmmThreads + cpus : null);

    private static long RoundUp(long value, long unit) => (value + unit - 1) / unit * unit;
}
