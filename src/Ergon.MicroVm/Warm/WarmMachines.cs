using Ergon.Drivers;
using Ergon.Images.Files;
using Ergon.Linux;
using Ergon.MicroVm.Execution;
using Ergon.MicroVm.Guest.Protocol;
using Ergon.MicroVm.Vmm;

namespace Ergon.MicroVm.Warm;

/// <summary>The machines that wait for jobs.</summary>
internal sealed class WarmMachines : IAsyncDisposable
{
    private const string RootImageName = "rehearsal-1.squashfs";
    private const string ProgramName = "bin/rehearsal";
    private const long ScratchBytes = 64L << 20;

    private static readonly string[] Directories = ["bin", "dev", "etc", "proc", "sys", "tmp"];

    private readonly MicroVmParts _parts;
    private readonly WarmMachineOptions _options;
    private readonly string _rootImage;
    private readonly SemaphoreSlim _making = new(1);
    private readonly WarmPool<MachineKind, WarmMachine> _pool;

    public WarmMachines(MicroVmParts parts, WarmMachineOptions options, string cache)
    {
        (_parts, _options, _rootImage) = (parts, options, Path.Combine(cache, RootImageName));
        _pool = new WarmPool<MachineKind, WarmMachine>(MakeAsync, options.MaxIdle, options.IdleTime, parts.Time);
    }

    /// <summary>How many wait.</summary>
    public int Waiting => _pool.Waiting;

    /// <summary>Why none could be made the last time.</summary>
    public string? Problem => _pool.Problem;

    /// <summary>Takes a machine that waits; <see langword="null"/>: none does.</summary>
    public async Task<WarmMachine?> TakeAsync(MachineKind kind, CancellationToken cancellationToken) =>
        await _pool.TakeAsync(kind, static machine => ValueTask.FromResult(machine.IsWaiting)) ?? (_options.Always ? await _pool.MakeAsync(kind, cancellationToken) : null);

    public async ValueTask DisposeAsync()
    {
        await _pool.DisposeAsync();
        _making.Dispose();
    }

    private async Task<WarmMachine> MakeAsync(MachineKind kind, CancellationToken cancellationToken)
    {
        var rootImage = await RootImageAsync(cancellationToken);
        var directory = _parts.Machines.Create(kind.ExecutorId);
        Cgroup? cgroup = null;
        BootedMachine? machine = null;
        try
        {
            var scratch = await ScratchDisk.MakeAsync(directory.Path, ScratchBytes, cancellationToken);
            if (_parts.Cgroups.IsUsable)
                cgroup = _parts.Cgroups.Create(kind.ExecutorId, directory.Name, MachineSize.LimitsFor(kind.Cpus, kind.Memory, _parts.Cgroups.Abilities));
            machine = await BootedMachine.BootAsync(_parts, Plan(kind, directory, cgroup, rootImage, scratch), null, cancellationToken);
            if (_parts.Vmm.ResetsDisks) await machine.ConfigureAsync(FrameType.Rehearse, Rehearsal(), cancellationToken);
            // The guest does not use it, and the machine is given another.
            File.Delete(scratch);
            return new WarmMachine(_parts, directory, cgroup, machine);
        }
        catch
        {
            await WarmMachine.RemoveAsync(_parts, directory, cgroup, machine);
            throw;
        }
    }

    private static VmPlan Plan(MachineKind kind, MachineDirectory directory, Cgroup? cgroup, string rootImage, string scratch) => new()
    {
        Name = $"{kind.ExecutorId}/{directory.Name}",
        Directory = directory.Path,
        Cpus = kind.Cpus,
        MemoryBytes = kind.Memory,
        KernelPath = kind.Boot.KernelPath,
        InitrdPath = kind.Boot.InitramfsPath,
        KernelArguments = kind.Boot.KernelArguments,
        Disks =
        [
            new VmDisk(rootImage, ReadOnly: true, MachineDisks.RootSerial),
            new VmDisk(scratch, ReadOnly: false, MachineDisks.ScratchSerial),
            .. Enumerable.Range(0, kind.Inputs).Select(i => new VmDisk(rootImage, ReadOnly: true, MachineDisks.InputSerial(i))),
        ],
        HasAgent = true,
        MachineType = kind.MachineType,
        Cgroup = cgroup,
    };

    private GuestConfiguration Rehearsal() => new()
    {
        Root = new GuestDisk(_parts.Vmm.TellsSerials ? MachineDisks.RootSerial : "", 0),
        Scratch = new GuestDisk(_parts.Vmm.TellsSerials ? MachineDisks.ScratchSerial : "", 1),
        Hostname = "ergon",
        Arguments = ["/" + ProgramName],
        WorkingDirectory = "/",
    };

    private async Task<string> RootImageAsync(CancellationToken cancellationToken)
    {
        await _making.WaitAsync(cancellationToken);
        try
        {
            if (File.Exists(_rootImage)) return _rootImage;
            var directory = Directory.CreateTempSubdirectory("ergon-rehearsal-").FullName;
            var made = $"{_rootImage}.{Guid.NewGuid():n}";
            try
            {
                foreach (var name in Directories) Directory.CreateDirectory(Path.Combine(directory, name));
                var program = Path.Combine(directory, ProgramName);
                await File.WriteAllBytesAsync(program, RehearsalProgram.Bytes, cancellationToken);
                File.SetUnixFileMode(program, (UnixFileMode)0b111_101_101);
                await DirectoryImage.BuildAsync(directory, made, new DirectoryImageOptions { IsRoot = true }, static _ => { }, cancellationToken);
                File.Move(made, _rootImage, overwrite: true);
                return _rootImage;
            }
            finally
            {
                File.Delete(made);
                Directory.Delete(directory, recursive: true);
            }
        }
        finally
        {
            _making.Release();
        }
    }
}
