using System.Collections.Concurrent;
using Ergon.Drivers;
using Ergon.Images.Store;
using Ergon.Linux;
using Ergon.MicroVm.Guest.Boot;
using Ergon.Networks;
using Ergon.MicroVm.Vmm;
using Ergon.MicroVm.Warm;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;

namespace Ergon.MicroVm.Execution;

/// <summary>Runs executions in microVMs, whatever the VMM is.</summary>
internal sealed class MicroVmDriver(MicroVmParts parts, RequestPolicy policy, WarmMachines? warm) : IExecutionDriver
{
    /// <summary>Creates a driver on one VMM.</summary>
    /// <param name="name">The executor's name.</param>
    /// <param name="options">The operator's settings.</param>
    /// <param name="machineTypes">The machine types that a request may ask for.</param>
    /// <param name="hasMetadata">Whether guests have a metadata service.</param>
    /// <param name="loggerFactory">Takes the driver's log.</param>
    /// <param name="timeProvider">The clock.</param>
    /// <param name="createVmm">Creates the VMM.</param>
    public static MicroVmDriver Create(
        string name, MicroVmOptions options, IReadOnlyList<string> machineTypes, bool hasMetadata, ILoggerFactory? loggerFactory, TimeProvider? timeProvider,
        Func<VmmHost, IVmm> createVmm)
    {
        var logger = (loggerFactory ?? NullLoggerFactory.Instance).CreateLogger("Ergon.MicroVm");
        var (time, events) = (timeProvider ?? TimeProvider.System, new KernelEvents());
        var cache = CacheLocation.Of(options.CacheDirectory);
        var boot = new GuestBoot(options, cache);
        var parts = new MicroVmParts
        {
            Name = name,
            Options = options,
            Boot = boot,
            Vmm = createVmm(new VmmHost(boot, cache, events, logger, time)),
            Images = new ImageStore(new ImageStoreOptions { Directory = Path.Combine(cache, "images"), MaxBytes = options.CacheBytes }, logger, time),
            Networks = new BridgeNetworks(new BridgeNetworkOptions(), time),
            // Not the family of executions that are abandoned when their executor ends: a machine outlives it.
            Cgroups = CgroupFactory.Detect(CgroupHierarchies.ReadOwn(), "ergon-vm"),
            Machines = new MachineDirectories(Path.Combine(cache, "machines", name)),
            Events = events,
            Time = time,
            Logger = logger,
        };
        var warm = options.WarmMachines is { MaxIdle: > 0 } waiting ? new WarmMachines(parts, waiting, cache) : null;
        return new MicroVmDriver(parts, new RequestPolicy(options, machineTypes, hasMetadata), warm);
    }

    private readonly ConcurrentDictionary<string, byte> _executorIds = new(StringComparer.Ordinal);

    public string Name => parts.Name;

    public async ValueTask<ExecutorFingerprint> FingerprintAsync(CancellationToken cancellationToken) =>
        await new MicroVmFingerprint(parts, warm).TakeAsync(cancellationToken);

    public void Validate(ExecutionRequest request, RequestProblems problems) =>
        policy.Check(request, MicroVmSpecReader.Read(request.EngineSpec, problems), problems);

    public async ValueTask<IDriverExecution> PrepareAsync(DriverContext context, CancellationToken cancellationToken)
    {
        var spec = MicroVmSpecReader.Read(context.Request.EngineSpec, new RequestProblems());
        await CheckVmmAsync(context.Request.ExecutionId, cancellationToken);
        _executorIds.TryAdd(context.ExecutorId, 0);
        if (spec.Image is null) return await OwnInitExecution.PrepareAsync(context, spec, parts, cancellationToken);
        var builder = new MicroVmBuilder(context, spec, parts, warm);
        try
        {
            return await builder.BuildAsync(cancellationToken);
        }
        catch (Exception e)
        {
            await UndoAsync(builder, context.Request.ExecutionId);
            if (e is IOException or UnauthorizedAccessException or System.Net.Sockets.SocketException)
                throw new ExecutorException(ErrorCode.BackendFailed, $"The virtual machine could not be prepared: {e.Message}", context.Request.ExecutionId, e);
            throw;
        }
    }

    private async ValueTask CheckVmmAsync(ExecutionId executionId, CancellationToken cancellationToken)
    {
        var facts = await parts.Vmm.ProbeAsync(cancellationToken);
        if (facts.Version is null)
            throw new ExecutorException(ErrorCode.BackendUnavailable, string.Join(' ', facts.Problems.Select(p => $"{p.Problem} {p.Remedy}")), executionId);
    }

    private async Task UndoAsync(MicroVmBuilder builder, ExecutionId executionId)
    {
        try
        {
            await builder.UndoAsync();
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or ExecutorException)
        {
            parts.Logger.UndoFailed(executionId, e);
        }
    }

    public async ValueTask<IDriverExecution?> AttachAsync(DriverContext context, CancellationToken cancellationToken)
    {
        var id = context.Request.ExecutionId;
        _executorIds.TryAdd(context.ExecutorId, 0);
        var started = MicroVmRecord.IsStarted(context.WorkDirectory);
        var warmed = parts.Machines.Find(context.ExecutorId, id);
        var machine = await parts.Vmm.AttachAsync(warmed?.Path ?? context.WorkDirectory, cancellationToken);
        if (machine is null) await VmmProcess.KillMarkedAsync(context.ExecutorId, name => name == (warmed?.Name ?? id.Value), parts.Events, cancellationToken);
        var host = await HostResources.FindAsync(parts, context, warmed, cancellationToken);
        if (MicroVmRecord.Read(context.WorkDirectory) is not { } record)
        {
            await host.RemoveAsync(cancellationToken);
            return null;
        }

        if (!record.HasAgent) return new OwnInitExecution(context, parts, machine, host) { Started = started };
        var console = machine is null ? null : new ConsoleTail(machine.Console);
        var paused = machine is not null && await machine.IsPausedAsync(cancellationToken);
        return new MicroVmExecution(parts, context, record, machine, host, console) { Started = started, FoundPaused = paused };
    }

    public async ValueTask CleanupAsync(string executorId, IReadOnlySet<ExecutionId> keep, CancellationToken cancellationToken)
    {
        await VmmProcess.KillMarkedAsync(executorId, name => !IsKept(name), parts.Events, cancellationToken);
        if (parts.Cgroups.IsUsable)
        {
            foreach (var name in parts.Cgroups.List(executorId))
                if (!IsKept(name)) await parts.Cgroups.Find(executorId, name).RemoveAsync(parts.Events, cancellationToken);
            parts.Cgroups.RemoveExecutor(executorId);
        }

        parts.Machines.RemoveUnneeded(executorId, keep);

        await parts.Networks.CleanupAsync(executorId, keep, cancellationToken);

        bool IsKept(string name) => parts.Machines.IsNeeded(executorId, name, keep) || (ExecutionId.TryParse(name, out var id) && keep.Contains(id));
    }

    public async ValueTask DisposeAsync()
    {
        if (warm is not null) await warm.DisposeAsync();
        foreach (var id in _executorIds.Keys)
        {
            // What is not empty stays: it is of executions that go on.
            parts.Cgroups.RemoveExecutor(id);
            parts.Machines.RemoveExecutor(id);
        }

        await parts.Images.DisposeAsync();
        parts.Boot.Dispose();
        parts.Networks.Dispose();
        parts.Events.Dispose();
    }
}
