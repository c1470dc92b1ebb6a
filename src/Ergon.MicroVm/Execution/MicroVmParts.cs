using Ergon.Images.Store;
using Ergon.Linux;
using Ergon.MicroVm.Guest.Boot;
using Ergon.Networks;
using Ergon.MicroVm.Vmm;
using Ergon.MicroVm.Warm;
using Microsoft.Extensions.Logging;

namespace Ergon.MicroVm.Execution;

/// <summary>What all executions of a microVM driver share.</summary>
internal sealed record MicroVmParts
{
    public required string Name { get; init; }

    public required MicroVmOptions Options { get; init; }

    public required IVmm Vmm { get; init; }

    public required GuestBoot Boot { get; init; }

    public required ImageStore Images { get; init; }

    public required BridgeNetworks Networks { get; init; }

    public required CgroupFactory Cgroups { get; init; }

    /// <summary>The directories of the machines that were started before their jobs.</summary>
    public required MachineDirectories Machines { get; init; }

    public required KernelEvents Events { get; init; }

    public required TimeProvider Time { get; init; }

    public required ILogger Logger { get; init; }
}
