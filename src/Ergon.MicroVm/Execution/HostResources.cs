using Ergon.Drivers;
using Ergon.Linux;
using Ergon.Linux.Networking;
using Ergon.Networks;
using Ergon.MicroVm.Vmm;
using Ergon.MicroVm.Warm;

namespace Ergon.MicroVm.Execution;

/// <summary>What a machine has of the host: a cgroup around its VMM, and a network when it asks for a bridge.</summary>
internal sealed class HostResources
{
    private readonly MicroVmParts _parts;
    private readonly DriverContext _context;
    private readonly Lock _lock = new();
    private Task? _destroying;

    private HostResources(MicroVmParts parts, DriverContext context) => (_parts, _context) = (parts, context);

    /// <summary>The cgroup of the VMM; <see langword="null"/>: none can be made here.</summary>
    public Cgroup? Cgroup { get; private set; }

    /// <summary>The directory of a machine that was started before the job; <see langword="null"/>: the machine was made for it.</summary>
    public MachineDirectory? Machine { get; private init; }

    /// <summary>The network; <see langword="null"/>: the guest has none.</summary>
    public BridgeNetwork? Network { get; private set; }

    /// <summary>The guest's network interface.</summary>
    public VmTap? Tap => Network is { } network ? new VmTap(network.InterfaceName, network.GuestMac) : null;

    /// <summary>The host ports that lead into the guest.</summary>
    public IReadOnlyList<PortMapping> Ports => Network?.Ports ?? [];

    private ExecutionRequest Request => _context.Request;

    /// <summary>Makes what a request needs; nothing is left when it throws.</summary>
    public static async Task<HostResources> CreateAsync(MicroVmParts parts, DriverContext context, CgroupLimits limits, CancellationToken cancellationToken)
    {
        var host = new HostResources(parts, context);
        try
        {
            var (executorId, request) = (context.ExecutorId, context.Request);
            if (parts.Cgroups.IsUsable) host.Cgroup = parts.Cgroups.Create(executorId, request.ExecutionId.Value, limits);
            if (request.Network.EffectiveMode == NetworkMode.Bridge)
            {
                var uid = VmmUser.Of(parts.Options.User, withKvm: false)?.Uid ?? Libc.EffectiveUserId();
                host.Network = await parts.Networks.CreateAsync(executorId, request.ExecutionId, request.Network, network => MakeTap(network, uid), cancellationToken);
            }

            return host;
        }
        catch
        {
            await host.RemoveAsync(CancellationToken.None);
            throw;
        }
    }

    /// <summary>Takes over what a machine has that was started before the job.</summary>
    public static HostResources Of(MicroVmParts parts, DriverContext context, WarmMachine machine) =>
        new(parts, context) { Machine = machine.Directory, Cgroup = machine.Cgroup };

    private static Task MakeTap(BridgeNetwork network, uint owner)
    {
        TapDevice.CreatePersistent(network.InterfaceName, owner);
        return Task.CompletedTask;
    }

    /// <summary>Finds what a former process made.</summary>
    public static async Task<HostResources> FindAsync(MicroVmParts parts, DriverContext context, MachineDirectory? machine, CancellationToken cancellationToken) =>
        new(parts, context)
        {
            Machine = machine,
            Cgroup = parts.Cgroups.IsUsable ? parts.Cgroups.Find(context.ExecutorId, machine?.Name ?? context.Request.ExecutionId.Value) : null,
            Network = await parts.Networks.FindAsync(context.ExecutorId, context.Request.ExecutionId, cancellationToken),
        };

    /// <summary>Ends a machine and removes everything that it had of the host; may be called again.</summary>
    /// <exception cref="ExecutorException"><see cref="ErrorCode.BackendFailed"/>: something could not be removed.</exception>
    public async Task DestroyAsync(IVirtualMachine? machine, CancellationToken cancellationToken)
    {
        Task destroying;
        lock (_lock)
        {
            // One that failed is tried again.
            if (_destroying is null or { IsCompleted: true, IsCompletedSuccessfully: false }) _destroying = DestroyOnceAsync(machine, cancellationToken);
            destroying = _destroying;
        }

        await destroying.WaitAsync(cancellationToken);
    }

    private async Task DestroyOnceAsync(IVirtualMachine? machine, CancellationToken cancellationToken)
    {
        try
        {
            machine?.Kill();
            if (machine is not null) await machine.Ended.WaitAsync(cancellationToken);
            await RemoveAsync(cancellationToken);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new ExecutorException(ErrorCode.BackendFailed, $"What was left of the virtual machine could not be removed: {e.Message}", Request.ExecutionId, e);
        }
    }

    /// <summary>Removes what it had of the host; its processes are killed with its cgroup.</summary>
    public async Task RemoveAsync(CancellationToken cancellationToken)
    {
        if (Cgroup is not null) await Cgroup.RemoveAsync(_parts.Events, cancellationToken);
        await _parts.Networks.RemoveAsync(_context.ExecutorId, Request.ExecutionId, cancellationToken);
        if (Machine is not null) _parts.Machines.Remove(Machine);
    }

    /// <summary>Lets go of it and leaves it as it is.</summary>
    public void Release() => Cgroup?.Release();
}
