using Ergon.Drivers;
using Ergon.Images.Store;
using Ergon.MicroVm.Guest.Boot;
using Ergon.MicroVm.Guest.Protocol;
using Ergon.Networks;
using Ergon.MicroVm.Vmm;
using Ergon.MicroVm.Warm;

namespace Ergon.MicroVm.Execution;

/// <summary>Makes, step by step, everything that an execution needs, and can undo what it has made.</summary>
internal sealed class MicroVmBuilder(DriverContext context, MicroVmSpec spec, MicroVmParts parts, WarmMachines? warm)
{
    private readonly MachineSize _size = MachineSize.Of(context.Request.Resources, parts.Options);
    private HostResources? _host;
    private BootedMachine? _machine;

    private ExecutionRequest Request => context.Request;

    /// <summary>Boots a guest with our agent and makes it ready to start the job.</summary>
    public async Task<MicroVmExecution> BuildAsync(CancellationToken cancellationToken)
    {
        using var image = await ImageAsync(cancellationToken);
        var arguments = JobCommand.Arguments(spec, image.Config);
        var boot = await parts.Boot.GetAsync(spec.KernelImage, parts.Vmm.ModulesFor(spec.Machine), cancellationToken);
        var disks = await DisksAsync(image, cancellationToken);
        var record = new MicroVmRecord { HasAgent = true, StopSignal = JobCommand.StopSignal(spec, image.Config).Number };
        await record.WriteAsync(context.WorkDirectory);
        _machine = await TakeAsync(boot, disks, cancellationToken) ?? await BootAsync(boot, disks, cancellationToken);
        await _machine.ConfigureAsync(FrameType.Configure, Configuration(image.Config, arguments, disks, _host!.Network), cancellationToken);
        return new MicroVmExecution(parts, context, record, _machine.Machine, _host, _machine.Console) { Channel = _machine.Channel };
    }

    private async Task<BootedMachine> BootAsync(BootFiles boot, MachineDisks.Made disks, CancellationToken cancellationToken)
    {
        _host = await HostResources.CreateAsync(parts, context, _size.LimitsFor(parts.Cgroups.Abilities), cancellationToken);
        context.ReportProgress(new PrepareProgress("booting the guest"));
        return await BootedMachine.BootAsync(parts, Plan(boot, disks, _host), Request.ExecutionId, cancellationToken);
    }

    // A machine that waits, if there is one, with the disks of this job. Whatever is wrong with it, another one can still boot.
    private async Task<BootedMachine?> TakeAsync(BootFiles boot, MachineDisks.Made disks, CancellationToken cancellationToken)
    {
        if (warm is null || MachineKind.Of(context.ExecutorId, Request, spec, boot, _size) is not { } kind) return null;
        using var phase = MicroVmTelemetry.BeginPhase("warm");
        if (await warm.TakeAsync(kind, cancellationToken) is not { } taken) return null;
        try
        {
            parts.Machines.Assign(taken.Directory, Request.ExecutionId);
            await taken.Machine.Machine.SwapDisksAsync(disks.All, cancellationToken);
            _host = HostResources.Of(parts, context, taken);
            return taken.Machine.For(Request.ExecutionId);
        }
        catch (Exception e)
        {
            await taken.DisposeAsync();
            if (e is not IOException) throw;
            parts.Logger.WarmMachineFailed(Request.ExecutionId, e);
            return null;
        }
    }

    private async Task<ImageLease> ImageAsync(CancellationToken cancellationToken)
    {
        using var phase = MicroVmTelemetry.BeginPhase("image");
        return await parts.Images.GetAsync(spec.Image!, spec.PullPolicy, spec.Platform, context.ReportProgress, cancellationToken);
    }

    private async Task<MachineDisks.Made> DisksAsync(ImageLease image, CancellationToken cancellationToken)
    {
        using var phase = MicroVmTelemetry.BeginPhase("disks");
        return await new MachineDisks(context, parts.Vmm.TellsSerials).MakeAsync(image, _size.Disk, cancellationToken);
    }

    private VmPlan Plan(BootFiles boot, MachineDisks.Made disks, HostResources host) => new()
    {
        Name = $"{context.ExecutorId}/{Request.ExecutionId}",
        Directory = context.WorkDirectory,
        Cpus = _size.Cpus,
        MemoryBytes = _size.GuestMemory,
        KernelPath = boot.KernelPath,
        InitrdPath = boot.InitramfsPath,
        KernelArguments = boot.KernelArguments,
        Disks = disks.All,
        Tap = host.Tap,
        HasAgent = true,
        MachineType = spec.Machine,
        Cgroup = host.Cgroup,
    };

    private GuestConfiguration Configuration(ImageConfiguration image, IReadOnlyList<string> arguments, MachineDisks.Made disks, BridgeNetwork? network)
    {
        var hostname = spec.Hostname ?? Request.ExecutionId.ToHostname();
        var gateway = Request.Network.GatewayIp ?? network?.Gateway;
        return new GuestConfiguration
        {
            Root = disks.Root,
            Scratch = disks.Scratch,
            ReadOnlyRoot = spec.ReadOnlyRoot,
            Hostname = hostname,
            Inputs = disks.Inputs,
            Outputs = [.. Request.Outputs.Select(o => o.Target)],
            Network = network is null ? null : new GuestNetwork(network.GuestAddress, network.PrefixLength, network.Gateway),
            NameServers = network?.NameServers ?? [],
            Hosts = gateway is null ? [] : [$"{gateway} host.docker.internal"],
            Arguments = arguments,
            Environment = JobCommand.Environment(Request, spec, image, hostname),
            WorkingDirectory = spec.WorkingDirectory ?? (image.WorkingDir is { Length: > 0 } directory ? directory : "/"),
            User = spec.User ?? image.User,
            Capabilities = spec.CapAdd,
            Memory = _size.JobMemory,
            Pids = Request.Resources.Pids,
            Cpu = Request.Resources.Cpu,
            Scripts = [.. Request.ProvisionScripts.Select(s => new GuestScript(s.Name, s.Content))],
        };
    }

    /// <summary>Removes what has been made.</summary>
    public async Task UndoAsync()
    {
        if (_machine is not null) await _machine.EndAsync();
        if (_host is not null) await _host.RemoveAsync(CancellationToken.None);
    }
}
