using Ergon.MicroVm.Execution;
using Ergon.MicroVm.Guest.Boot;

namespace Ergon.MicroVm.Warm;

/// <summary>What machines must have in common so that one can stand in for another.</summary>
/// <param name="ExecutorId">The executor whose mark they have.</param>
/// <param name="Boot">What they boot from.</param>
/// <param name="MachineType">The type of machine; <see langword="null"/>: the VMM's own choice.</param>
/// <param name="Cpus">How many virtual CPUs.</param>
/// <param name="Memory">The guest's memory, in bytes.</param>
/// <param name="Inputs">How many disks beside the root image and the scratch disk.</param>
internal sealed record MachineKind(string ExecutorId, BootFiles Boot, string? MachineType, int Cpus, long Memory, int Inputs)
{
    /// <summary>The kind of machine that a request needs; <see langword="null"/>: it needs one that is made for it.</summary>
    public static MachineKind? Of(string executorId, ExecutionRequest request, MicroVmSpec spec, BootFiles boot, MachineSize size) =>
        request.Network.EffectiveMode == NetworkMode.Bridge ? null : new(executorId, boot, spec.Machine, size.Cpus, size.GuestMemory, request.Inputs.Count);
}
