using Ergon.Drivers;
using Ergon.Images.Store;
using Ergon.MicroVm.Guest.Boot;
using Ergon.MicroVm.Guest.Channel;
using Ergon.MicroVm.Guest.Protocol;
using Ergon.Networks;
using Ergon.MicroVm.Vmm;

namespace Ergon.MicroVm.Execution;

/// <summary>Makes, step by step, everything that an execution needs, and can undo what it has made.</summary>
internal sealed class MicroVmBuilder(DriverContext context, MicroVmSpec spec, MicroVmParts parts)
{
    private static readonly TimeSpan EndPatience = TimeSpan.FromSeconds(2);

    private readonly MachineSize _size = MachineSize.Of(context.Request.Resources, parts.Options);
    private HostResources? _host;
    private IVirtualMachine? _machine;
    private GuestChannel? _channel;

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
        _host = await HostResources.CreateAsync(parts, context, _size.LimitsFor(parts.Cgroups.Abilities), cancellationToken);
        context.ReportProgress(new PrepareProgress("booting the guest"));
        _machine = await LaunchAsync(Plan(boot, disks, _host), cancellationToken);
        var console = new ConsoleTail(_machine.Console);
        _channel = await GreetAsync(_machine, console, cancellationToken);
        await ConfigureAsync(_channel, Configuration(image.Config, arguments, disks, _host.Network), cancellationToken);
        return new MicroVmExecution(parts, context, record, _machine, _host, console) { Channel = _channel };
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

    private async Task<IVirtualMachine> LaunchAsync(VmPlan plan, CancellationToken cancellationToken)
    {
        using var phase = MicroVmTelemetry.BeginPhase("vmm");
        return await parts.Vmm.LaunchAsync(plan, cancellationToken);
    }

    private async Task<GuestChannel> GreetAsync(IVirtualMachine machine, ConsoleTail console, CancellationToken cancellationToken)
    {
        using var phase = MicroVmTelemetry.BeginPhase("boot");
        var channel = await ConnectAsync(machine, console, cancellationToken);
        MicroVmTelemetry.Describe(phase, channel.Welcome);
        return channel;
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

    private async Task<GuestChannel> ConnectAsync(IVirtualMachine machine, ConsoleTail console, CancellationToken cancellationToken)
    {
        using var deadline = new CancellationTokenSource(parts.Options.BootTimeout, parts.Time);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken, deadline.Token);
        var connecting = ConnectAsync(machine, either.Token);
        try
        {
            if (await Task.WhenAny(connecting, machine.Ended) == connecting) return await connecting;
        }
        catch (OperationCanceledException) when (deadline.IsCancellationRequested && !cancellationToken.IsCancellationRequested)
        {
            throw Failed($"The guest did not answer within {parts.Options.BootTimeout.TotalSeconds:0} s. {console.Explain()}");
        }
        catch (Exception e) when (e is IOException or System.Net.Sockets.SocketException)
        {
            // A machine that ends breaks the connection first.
            await Task.WhenAny(machine.Ended, Task.Delay(EndPatience, parts.Time, cancellationToken));
            if (!machine.Ended.IsCompleted) throw Failed($"The agent in the guest could not be reached: {e.Message} {console.Explain()}", e);
        }

        await either.CancelAsync();
        await ((Task)connecting).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        throw Failed($"The virtual machine ended while it booted. {await console.ExplainAsync(await machine.Ended)}");
    }

    private async Task<GuestChannel> ConnectAsync(IVirtualMachine machine, CancellationToken cancellationToken) =>
        await GuestChannel.ConnectAsync(await machine.ConnectAgentAsync(cancellationToken), 0, 0, parts.Time, cancellationToken);

    private async Task ConfigureAsync(GuestChannel channel, GuestConfiguration configuration, CancellationToken cancellationToken)
    {
        using var phase = MicroVmTelemetry.BeginPhase("configure");
        try
        {
            var reply = await channel.RequestAsync(FrameType.Configure, configuration.Encode(), parts.Options.BootTimeout, cancellationToken);
            if (reply.Code == ReplyCode.Invalid) throw new ExecutorException(ErrorCode.InvalidRequest, reply.Message, Request.ExecutionId);
            if (reply.Code != ReplyCode.Done) throw Failed($"The guest could not be set up: {reply.Message}");
        }
        catch (Exception e) when (e is IOException or TimeoutException)
        {
            throw Failed($"The guest could not be set up: {e.Message}", e);
        }
    }

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
        if (_channel is not null) await _channel.DisposeAsync();
        if (_machine is not null)
        {
            _machine.Kill();
            await _machine.Ended;
            await _machine.DisposeAsync();
        }

        if (_host is not null) await _host.RemoveAsync(CancellationToken.None);
    }

    private ExecutorException Failed(string message, Exception? inner = null) => new(ErrorCode.BackendFailed, message.Trim(), Request.ExecutionId, inner);
}
