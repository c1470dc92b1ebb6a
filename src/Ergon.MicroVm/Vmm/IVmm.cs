using Ergon.Linux;
using Ergon.MicroVm.Guest.Boot;
using Microsoft.Extensions.Logging;

namespace Ergon.MicroVm.Vmm;

/// <summary>A program that runs virtual machines.</summary>
internal interface IVmm
{
    /// <summary>Looks for the program and finds out what it can do here. Does not throw for a missing one.</summary>
    ValueTask<VmmFacts> ProbeAsync(CancellationToken cancellationToken);

    /// <summary>The kernel modules that a guest with our agent needs on a type of machine; <see langword="null"/>: the VMM's own choice.</summary>
    BootModules ModulesFor(string? machineType);

    /// <summary>Whether guests find a disk by the serial number of the plan; otherwise by its place among the disks.</summary>
    bool TellsSerials { get; }

    /// <summary>
    /// Whether a guest that has used its disks can be given others. Where it cannot, because the VMM does not reset a disk, one that has not touched them
    /// still can.
    /// </summary>
    bool ResetsDisks { get; }

    /// <summary>Starts a machine: when it returns, its process runs and its guest boots. Nothing is left when it throws.</summary>
    ValueTask<IVirtualMachine> LaunchAsync(VmPlan plan, CancellationToken cancellationToken);

    /// <summary>Finds the machine that a former process launched; <see langword="null"/> when its process has ended.</summary>
    ValueTask<IVirtualMachine?> AttachAsync(string directory, CancellationToken cancellationToken);
}

/// <summary>What a VMM is given by its driver.</summary>
/// <param name="Boot">What guests boot from.</param>
/// <param name="Cache">The directory for what can be made again.</param>
/// <param name="Events">Tells of the end of processes.</param>
/// <param name="Logger">The driver's log.</param>
/// <param name="Time">The clock.</param>
internal sealed record VmmHost(GuestBoot Boot, string Cache, KernelEvents Events, ILogger Logger, TimeProvider Time);

/// <summary>What a VMM is and can do here.</summary>
/// <param name="Version">Its version; <see langword="null"/>: it cannot be used.</param>
/// <param name="Acceleration"><c>kvm</c> or <c>tcg</c>.</param>
/// <param name="Problems">What is missing or weaker than it should be.</param>
internal sealed record VmmFacts(string? Version, string Acceleration, IReadOnlyList<FingerprintProblem> Problems);

/// <summary>A disk of a machine.</summary>
/// <param name="Path">The raw image.</param>
/// <param name="ReadOnly">Whether the guest may only read it.</param>
/// <param name="Serial">The serial number under which the guest finds it, where the VMM can give one.</param>
internal sealed record VmDisk(string Path, bool ReadOnly, string Serial);

/// <summary>The network interface of a machine.</summary>
/// <param name="Name">An existing tap device of the host.</param>
/// <param name="Mac">The guest's address.</param>
internal sealed record VmTap(string Name, string Mac);

/// <summary>A machine to start.</summary>
internal sealed record VmPlan
{
    /// <summary>The mark of the execution, for people who look at processes.</summary>
    public required string Name { get; init; }

    /// <summary>A private directory for the machine's own files.</summary>
    public required string Directory { get; init; }

    public required int Cpus { get; init; }

    public required long MemoryBytes { get; init; }

    public required string KernelPath { get; init; }

    public string? InitrdPath { get; init; }

    /// <summary>What the guest's kernel is told, beyond what the VMM itself adds.</summary>
    public required string KernelArguments { get; init; }

    /// <summary>The disks, in the order in which the guest sees them.</summary>
    public IReadOnlyList<VmDisk> Disks { get; init; } = [];

    public VmTap? Tap { get; init; }

    /// <summary>Whether the guest runs our agent, and so needs the channel to it.</summary>
    public required bool HasAgent { get; init; }

    /// <summary>Whether it is started to see how long a start takes: then it boots, although it could begin as a copy.</summary>
    public bool IsCanary { get; init; }

    /// <summary>A machine type other than the VMM's own choice.</summary>
    public string? MachineType { get; init; }

    /// <summary>What the guest's metadata service serves, as JSON.</summary>
    public string? Metadata { get; init; }

    /// <summary>The cgroup of the process; <see langword="null"/>: none can be made here.</summary>
    public Cgroup? Cgroup { get; init; }
}

/// <summary>How the process of a machine ended.</summary>
/// <param name="ExitCode">Its exit code, when it exited.</param>
/// <param name="Signal">The signal that ended it. Neither is known of a process that a former one started.</param>
/// <param name="Errors">What it wrote to its own error output.</param>
internal sealed record VmmExit(int? ExitCode, int? Signal, string Errors)
{
    /// <summary>What the VMM means by this end, where its codes have a meaning.</summary>
    public string? Meaning { get; init; }
}

/// <summary>A machine. Disposing lets go of it and leaves it running.</summary>
internal interface IVirtualMachine : IAsyncDisposable
{
    int ProcessId { get; }

    /// <summary>Completes when the process has ended.</summary>
    Task<VmmExit> Ended { get; }

    /// <summary>The guest's serial console, to be read; the guest waits when nobody does. Reading gives 0 bytes when the process has ended.</summary>
    Stream Console { get; }

    /// <summary>Opens a stream to the agent in the guest, waiting until it listens.</summary>
    ValueTask<Stream> ConnectAgentAsync(CancellationToken cancellationToken);

    /// <summary>Gives it other disks in the place of those that it was started with, as many and used in the same way, while its guest uses none.</summary>
    /// <exception cref="IOException">It could not be done; the machine is of no use any more.</exception>
    Task SwapDisksAsync(IReadOnlyList<VmDisk> disks, CancellationToken cancellationToken);

    /// <summary>Whether the virtual CPUs are stopped.</summary>
    ValueTask<bool> IsPausedAsync(CancellationToken cancellationToken);

    /// <summary>Stops the virtual CPUs.</summary>
    ValueTask PauseAsync(CancellationToken cancellationToken);

    /// <summary>Lets the virtual CPUs go on.</summary>
    ValueTask ResumeAsync(CancellationToken cancellationToken);

    /// <summary>Asks a guest without our agent to shut down; it may not listen.</summary>
    ValueTask RequestShutdownAsync(CancellationToken cancellationToken);

    /// <summary>Kills the process.</summary>
    void Kill();
}
