using System.Runtime.Versioning;
using Ergon.Daemon.Settings;
using Ergon.MicroVm;
using Ergon.MicroVm.Firecracker;
using Ergon.MicroVm.Qemu;

namespace Ergon.Daemon;

/// <summary>How a microVM executor makes its guests; what it leaves out has its default. What requests may ask for is said by the policy.</summary>
public abstract record MicroVmSettings
{
    private protected MicroVmSettings()
    {
    }

    /// <summary>The VMM's program, a path or a name that is looked for in <c>PATH</c>.</summary>
    public string? Program { get; init; }

    /// <summary>As <see cref="MicroVmOptions.KernelImage"/>.</summary>
    public string? KernelImage { get; init; }

    /// <summary>As <see cref="MicroVmOptions.KernelModules"/>.</summary>
    public string? KernelModules { get; init; }

    /// <summary>As <see cref="MicroVmOptions.CacheDirectory"/>.</summary>
    public string? Cache { get; init; }

    /// <summary>As <see cref="MicroVmOptions.CacheBytes"/>.</summary>
    public long? CacheBytes { get; init; }

    /// <summary>As <see cref="MicroVmOptions.User"/>.</summary>
    public string? User { get; init; }

    /// <summary>The memory of a job that asks for none, in bytes.</summary>
    public long? DefaultMemory { get; init; }

    /// <summary>The virtual CPUs of a job that asks for no CPU.</summary>
    public int? DefaultCpus { get; init; }

    /// <summary>The writable disk of a job that asks for none, in bytes.</summary>
    public long? DefaultDisk { get; init; }

    /// <summary>How long a guest may take until its agent answers.</summary>
    public TimeSpan? BootTimeout { get; init; }

    /// <summary>Whether machines begin as copies of one that has booted.</summary>
    public bool? Snapshots { get; init; }

    /// <summary>How many such copies are kept.</summary>
    public int? MaxSnapshots { get; init; }

    /// <summary>As <see cref="MicroVmOptions.WarmMachines"/>; an empty object has them with their defaults.</summary>
    public WarmMachinesFile? WarmMachines { get; init; }

    /// <summary>Adds what is wrong with them.</summary>
    /// <param name="name">Their name among the settings.</param>
    /// <param name="problems">Takes it.</param>
    internal virtual void Check(string name, RequestProblems problems)
    {
        SettingsRules.AtLeast($"{name}.cache_bytes", CacheBytes, 1, problems);
        SettingsRules.AtLeast($"{name}.default_memory", DefaultMemory, 1, problems);
        SettingsRules.AtLeast($"{name}.default_cpus", DefaultCpus, 1, problems);
        SettingsRules.AtLeast($"{name}.default_disk", DefaultDisk, 1, problems);
        SettingsRules.AtLeast($"{name}.max_snapshots", MaxSnapshots, 1, problems);
        SettingsRules.AtLeast($"{name}.warm_machines.max_idle", WarmMachines?.MaxIdle, 1, problems);
        if (BootTimeout <= TimeSpan.Zero) problems.Invalid($"{name}.boot_timeout", "is no time; give some, such as \"60s\".");
    }

    /// <summary>Puts what they say in place of the defaults.</summary>
    [SupportedOSPlatform("linux")]
    private protected T ApplyCommon<T>(T defaults)
        where T : MicroVmOptions => defaults with
    {
        KernelImage = KernelImage ?? defaults.KernelImage,
        KernelModules = KernelModules ?? defaults.KernelModules,
        CacheDirectory = Cache ?? defaults.CacheDirectory,
        CacheBytes = CacheBytes ?? defaults.CacheBytes,
        User = User ?? defaults.User,
        DefaultMemory = DefaultMemory ?? defaults.DefaultMemory,
        DefaultCpus = DefaultCpus ?? defaults.DefaultCpus,
        DefaultDisk = DefaultDisk ?? defaults.DefaultDisk,
        BootTimeout = BootTimeout ?? defaults.BootTimeout,
        WarmMachines = WarmMachines?.ToOptions() ?? defaults.WarmMachines,
    };
}

/// <summary>As <see cref="QemuOptions"/>; what it leaves out has its default.</summary>
public sealed record QemuSettings : MicroVmSettings
{
    [SupportedOSPlatform("linux")]
    internal QemuOptions ApplyTo(QemuOptions defaults) => ApplyCommon(defaults) with
    {
        Program = Program ?? defaults.Program,
        Snapshots = Snapshots ?? defaults.Snapshots,
        MaxSnapshots = MaxSnapshots ?? defaults.MaxSnapshots,
    };
}

/// <summary>As <see cref="FirecrackerOptions"/>; what it leaves out has its default.</summary>
public sealed record FirecrackerSettings : MicroVmSettings
{
    /// <summary>As <see cref="FirecrackerOptions.CpuTemplate"/>.</summary>
    public string? CpuTemplate { get; init; }

    /// <summary>As <see cref="FirecrackerOptions.DiskBytesPerSecond"/>.</summary>
    public long? DiskBytesPerSecond { get; init; }

    /// <summary>As <see cref="FirecrackerOptions.NetworkBytesPerSecond"/>.</summary>
    public long? NetworkBytesPerSecond { get; init; }

    /// <summary>As <see cref="FirecrackerOptions.Balloon"/>.</summary>
    public bool? Balloon { get; init; }

    /// <summary>As <see cref="FirecrackerOptions.Jailer"/>; an empty object has it with its defaults.</summary>
    public JailerFile? Jailer { get; init; }

    internal override void Check(string name, RequestProblems problems)
    {
        base.Check(name, problems);
        SettingsRules.AtLeast($"{name}.disk_bytes_per_second", DiskBytesPerSecond, 1, problems);
        SettingsRules.AtLeast($"{name}.network_bytes_per_second", NetworkBytesPerSecond, 1, problems);
        SettingsRules.AtLeast($"{name}.jailer.first_user_id", Jailer?.FirstUserId, 1, problems);
        SettingsRules.AtLeast($"{name}.jailer.user_ids", Jailer?.UserIds, 1, problems);
    }

    [SupportedOSPlatform("linux")]
    internal FirecrackerOptions ApplyTo(FirecrackerOptions defaults) => ApplyCommon(defaults) with
    {
        Program = Program ?? defaults.Program,
        Snapshots = Snapshots ?? defaults.Snapshots,
        MaxSnapshots = MaxSnapshots ?? defaults.MaxSnapshots,
        CpuTemplate = CpuTemplate ?? defaults.CpuTemplate,
        DiskBytesPerSecond = DiskBytesPerSecond ?? defaults.DiskBytesPerSecond,
        NetworkBytesPerSecond = NetworkBytesPerSecond ?? defaults.NetworkBytesPerSecond,
        Balloon = Balloon ?? defaults.Balloon,
        Jailer = Jailer?.ToOptions() ?? defaults.Jailer,
    };
}

/// <summary>As <see cref="WarmMachineOptions"/>; what it leaves out has its default.</summary>
public sealed record WarmMachinesFile
{
    /// <summary>As <see cref="WarmMachineOptions.MaxIdle"/>.</summary>
    public int? MaxIdle { get; init; }

    /// <summary>As <see cref="WarmMachineOptions.IdleTime"/>.</summary>
    public TimeSpan? IdleTime { get; init; }

    [SupportedOSPlatform("linux")]
    internal WarmMachineOptions ToOptions()
    {
        var defaults = new WarmMachineOptions();
        return defaults with { MaxIdle = MaxIdle ?? defaults.MaxIdle, IdleTime = IdleTime ?? defaults.IdleTime };
    }
}

/// <summary>As <see cref="JailerOptions"/>; what it leaves out has its default.</summary>
public sealed record JailerFile
{
    /// <summary>As <see cref="JailerOptions.Program"/>.</summary>
    public string? Program { get; init; }

    /// <summary>As <see cref="JailerOptions.FirstUserId"/>.</summary>
    public int? FirstUserId { get; init; }

    /// <summary>As <see cref="JailerOptions.UserIds"/>.</summary>
    public int? UserIds { get; init; }

    /// <summary>As <see cref="JailerOptions.StateDirectory"/>.</summary>
    public string? StateDirectory { get; init; }

    [SupportedOSPlatform("linux")]
    internal JailerOptions ToOptions()
    {
        var defaults = new JailerOptions();
        return defaults with
        {
            Program = Program ?? defaults.Program,
            FirstUserId = FirstUserId ?? defaults.FirstUserId,
            UserIds = UserIds ?? defaults.UserIds,
            StateDirectory = StateDirectory ?? defaults.StateDirectory,
        };
    }
}
