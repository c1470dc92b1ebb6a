using Ergon.Linux;
using Ergon.MicroVm.Execution;

namespace Ergon.MicroVm.Warm;

/// <summary>A machine that waits for its one job.</summary>
internal sealed class WarmMachine(MicroVmParts parts, MachineDirectory directory, Cgroup? cgroup, BootedMachine machine) : IAsyncDisposable
{
    /// <summary>The machine, with a guest that is ready for a job.</summary>
    public BootedMachine Machine => machine;

    /// <summary>The directory of its files.</summary>
    public MachineDirectory Directory => directory;

    /// <summary>The cgroup around its VMM.</summary>
    public Cgroup? Cgroup => cgroup;

    /// <summary>Whether it still waits; what has ended cannot be used.</summary>
    public bool IsWaiting => !machine.Machine.Ended.IsCompleted && !machine.Channel.Closed.IsCompleted;

    /// <summary>Removes it.</summary>
    public ValueTask DisposeAsync() => RemoveAsync(parts, directory, cgroup, machine);

    /// <summary>Removes what there is of one.</summary>
    public static async ValueTask RemoveAsync(MicroVmParts parts, MachineDirectory directory, Cgroup? cgroup, BootedMachine? machine)
    {
        if (machine is not null) await machine.EndAsync();
        if (cgroup is not null) await cgroup.RemoveAsync(parts.Events, CancellationToken.None);
        parts.Machines.Remove(directory);
    }
}
