using System.Runtime.CompilerServices;
using Ergon.Drivers;
using Ergon.Linux;
using Ergon.MicroVm.Vmm;
using Ergon.Networks;

namespace Ergon.MicroVm.Execution;

/// <summary>
/// One execution that is a guest with its own kernel and init: its console is the output, and the end of its machine is its end.
/// </summary>
internal sealed class OwnInitExecution(DriverContext context, MicroVmParts parts, IVirtualMachine? attached, HostResources host) : IDriverExecution
{
    private const string RootName = "root.img";
    private const int ReadBytes = 64 * 1024;

    private static readonly TimeSpan SampleInterval = TimeSpan.FromSeconds(1);

    private IVirtualMachine? _machine = attached;
    private VmPlan? _plan;
    private volatile bool _killed;

    public bool Started { get; init; }

    public IReadOnlyList<PortMapping> Ports => host.Ports;

    private ExecutionId Id => context.Request.ExecutionId;

    /// <summary>Makes everything but the machine itself.</summary>
    public static async Task<OwnInitExecution> PrepareAsync(DriverContext context, MicroVmSpec spec, MicroVmParts parts, CancellationToken cancellationToken)
    {
        var (request, id) = (context.Request, context.Request.ExecutionId);
        foreach (var file in new[] { spec.KernelImage, spec.InitrdPath, spec.RootFileSystem })
            if (file is not null && !File.Exists(file)) throw new ExecutorException(ErrorCode.InvalidRequest, $"engine_spec.params: there is no file {file}.", id);
        var size = MachineSize.Of(request.Resources, parts.Options);
        var record = new MicroVmRecord { HasAgent = false, StopSignal = Signal.Terminate.Number };
        var host = await HostResources.CreateAsync(parts, context, size.LimitsFor(parts.Cgroups.Abilities) with { Cpu = request.Resources.Cpu }, cancellationToken);
        try
        {
            await record.WriteAsync(context.WorkDirectory);
            var plan = new VmPlan
            {
                Name = $"{context.ExecutorId}/{id}",
                Directory = context.WorkDirectory,
                Cpus = size.Cpus,
                MemoryBytes = size.JobMemory,
                KernelPath = await parts.Boot.KernelAsync(spec.KernelImage!, cancellationToken),
                InitrdPath = spec.InitrdPath,
                KernelArguments = ArgumentsOf(spec, host.Network),
                Disks = spec.RootFileSystem is { } root ? [new VmDisk(await CopyAsync(root, context.WorkDirectory, cancellationToken), ReadOnly: false, "root")] : [],
                Tap = host.Tap,
                HasAgent = false,
                MachineType = spec.Machine,
                Metadata = spec.MmdsMessage,
                Cgroup = host.Cgroup,
            };
            return new OwnInitExecution(context, parts, null, host) { _plan = plan };
        }
        catch
        {
            await host.RemoveAsync(CancellationToken.None);
            throw;
        }
    }

    // The guest writes on its disk, and two guests may boot from one file.
    private static async Task<string> CopyAsync(string root, string directory, CancellationToken cancellationToken)
    {
        var copy = Path.Combine(directory, RootName);
        await Task.Run(() => File.Copy(root, copy), cancellationToken);
        File.SetUnixFileMode(copy, UnixFileMode.UserRead | UnixFileMode.UserWrite);
        return copy;
    }

    private static string ArgumentsOf(MicroVmSpec spec, BridgeNetwork? network)
    {
        var root = spec.RootFileSystem is null ? "" : "root=/dev/vda rw ";
        // As the kernel's documentation of nfsroot describes it; a kernel without that support ignores it.
        var address = network is null ? "" : $"ip={network.GuestAddress}::{network.Gateway}:{MaskOf(network.PrefixLength)}::eth0:off ";
        return $"console=ttyS0 {root}{address}{spec.KernelArgs}".Trim();
    }

    private static string MaskOf(int prefix) => new System.Net.IPAddress(System.Net.IPAddress.HostToNetworkOrder(unchecked((int)(0xffffffffL << (32 - prefix)))) & 0xffffffffL).ToString();

    public async ValueTask StartAsync(CancellationToken cancellationToken)
    {
        try
        {
            MicroVmRecord.NoteStarted(context.WorkDirectory);
            _machine = await parts.Vmm.LaunchAsync(_plan!, cancellationToken);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw Failed($"The virtual machine could not be started: {e.Message}", e);
        }
    }

    public async Task PumpOutputAsync(IOutputSink output, CancellationToken cancellationToken)
    {
        if (_machine is not { } machine) return;
        var buffer = new byte[ReadBytes];
        while (await machine.Console.ReadAsync(buffer, cancellationToken) is > 0 and var count)
            await output.WriteAsync(OutputStream.Stdout, buffer.AsMemory(0, count), cancellationToken);
    }

    public async Task<DriverExit> WaitAsync(CancellationToken cancellationToken)
    {
        if (_machine is not { } machine)
            return new DriverExit { Lost = true, Message = "The virtual machine ended while nobody watched it." };
        var end = await machine.Ended.WaitAsync(cancellationToken);
        if (_killed) return new DriverExit { Signal = Signal.Kill };
        return end switch
        {
            { Signal: { } signal } when signal == Signal.Kill.Number && host.Cgroup?.RanOutOfMemory() == true => new DriverExit { OutOfMemory = true, Signal = Signal.Kill },
            { Signal: { } signal } when signal == Signal.Kill.Number => new DriverExit { KilledExternally = true, Message = "Its virtual machine was killed." },
            { ExitCode: 0 } => new DriverExit { ExitCode = 0 },
            _ => new DriverExit { Lost = true, Message = $"The program that ran the virtual machine failed. {end.Errors}".Trim() },
        };
    }

    // A guest is no process: what asks a job to stop is the power button here.
    public ValueTask SignalAsync(Signal signal, CancellationToken cancellationToken) =>
        throw new ExecutorException(ErrorCode.NotSupported, "A guest with its own init takes no signals; cancel it, which presses its power button.", Id);

    public async ValueTask StopAsync(CancellationToken cancellationToken)
    {
        try
        {
            if (_machine is { Ended.IsCompleted: false } machine) await machine.RequestShutdownAsync(cancellationToken);
        }
        catch (IOException e)
        {
            throw Failed($"The guest could not be asked to shut down: {e.Message}", e);
        }
    }

    public ValueTask KillAsync(CancellationToken cancellationToken)
    {
        _killed = true;
        _machine?.Kill();
        return ValueTask.CompletedTask;
    }

    public ValueTask PauseAsync(CancellationToken cancellationToken) => DoAsync("pause", machine => machine.PauseAsync(cancellationToken));

    public ValueTask ResumeAsync(CancellationToken cancellationToken) => DoAsync("resume", machine => machine.ResumeAsync(cancellationToken));

    private async ValueTask DoAsync(string what, Func<IVirtualMachine, ValueTask> act)
    {
        try
        {
            if (_machine is { } machine) await act(machine);
        }
        catch (IOException e)
        {
            throw Failed($"The virtual machine could not be told to {what}: {e.Message}", e);
        }
    }

    public ValueTask<IExecSession> ExecAsync(ExecRequest request, CancellationToken cancellationToken) =>
        throw new ExecutorException(ErrorCode.NotSupported, "Commands cannot be run in a guest with its own init; name an image instead.", Id);

    public async IAsyncEnumerable<ExecutionStats> GetStatsAsync([EnumeratorCancellation] CancellationToken cancellationToken)
    {
        while (_machine is { Ended.IsCompleted: false } machine)
        {
            var usage = host.Cgroup?.ReadUsage() ?? ProcessTable.UsageOf([machine.ProcessId]);
            yield return new ExecutionStats
            {
                Timestamp = parts.Time.GetUtcNow(),
                CpuTime = usage.CpuTime ?? TimeSpan.Zero,
                MemoryBytes = usage.MemoryBytes,
                MemoryLimitBytes = context.Request.Resources.Memory ?? parts.Options.DefaultMemory,
                DiskReadBytes = usage.DiskReadBytes,
                DiskWrittenBytes = usage.DiskWrittenBytes,
            };
            await Task.WhenAny(machine.Ended, Task.Delay(SampleInterval, parts.Time, cancellationToken));
            cancellationToken.ThrowIfCancellationRequested();
        }
    }

    public ValueTask CollectOutputsAsync(CancellationToken cancellationToken) => ValueTask.CompletedTask;

    public async ValueTask DestroyAsync(CancellationToken cancellationToken)
    {
        _killed = true;
        await host.DestroyAsync(_machine, cancellationToken);
    }

    public async ValueTask DisposeAsync()
    {
        if (_machine is not null) await _machine.DisposeAsync();
        host.Release();
    }

    private ExecutorException Failed(string message, Exception inner) => new(ErrorCode.BackendFailed, message.Trim(), Id, inner);
}
