namespace Ergon.MicroVm;

/// <summary>The settings that every microVM driver has.</summary>
public abstract record MicroVmOptions
{
    private const long MiB = 1024 * 1024;

    private protected MicroVmOptions()
    {
    }

    /// <summary>
    /// The kernel that guests boot: an ELF <c>vmlinux</c> or a <c>bzImage</c>. <see langword="null"/>: the one that <c>ergon vm setup</c>
    /// fetched, else the newest below <c>/boot</c> that has its modules.
    /// </summary>
    public string? KernelImage { get; init; }

    /// <summary>
    /// The directory with the kernel's modules (the one with <c>modules.dep</c>). <see langword="null"/>: <c>lib/modules/RELEASE</c> beside the
    /// kernel, else of this system.
    /// </summary>
    public string? KernelModules { get; init; }

    /// <summary>The kernels that a request may name, or the directories that they lie in; empty: none.</summary>
    public IReadOnlyList<string> AllowedKernels { get; init; } = [];

    /// <summary>
    /// Where root images, kernels and other things that can be made again are kept. <see langword="null"/>:
    /// <c>/var/cache/ergon</c> for root, <c>$XDG_CACHE_HOME/ergon</c> or <c>~/.cache/ergon</c> for others.
    /// </summary>
    public string? CacheDirectory { get; init; }

    /// <summary>The most bytes of root images that are kept; those in use are never removed.</summary>
    public long CacheBytes { get; init; } = 20L * 1024 * MiB;

    /// <summary>The agent that runs in guests. <see langword="null"/>: the one that is built in.</summary>
    public string? AgentPath { get; init; }

    /// <summary>The user that VMMs run as when Ergon itself is root, as <c>uid:gid</c>.</summary>
    public string User { get; init; } = "65534:65534";

    /// <summary>The memory of a job that asks for none, in bytes.</summary>
    public long DefaultMemory { get; init; } = 512 * MiB;

    /// <summary>The virtual CPUs of a job that asks for no CPU.</summary>
    public int DefaultCpus { get; init; } = 1;

    /// <summary>The writable disk of a job that asks for none, in bytes; it takes up only what is written.</summary>
    public long DefaultDisk { get; init; } = 10L * 1024 * MiB;

    /// <summary>How long a guest may take until its agent answers.</summary>
    public TimeSpan BootTimeout { get; init; } = TimeSpan.FromSeconds(60);

    /// <summary>Machines that are started before a job asks for one; <see langword="null"/>: each is started for its job.</summary>
    public WarmMachineOptions? WarmMachines { get; init; }

    /// <summary>Whether a request may have a bridge network. It needs root.</summary>
    public bool AllowBridgeNetwork { get; init; } = true;

    /// <summary>The capabilities that a request may keep for its job inside its guest (<c>cap_add</c>), such as <c>NET_ADMIN</c>; <c>ALL</c> allows each.</summary>
    public IReadOnlyList<string> AllowedCapabilities { get; init; } = [];

    /// <summary>
    /// The files of this host, or the directories that they lie in, that a request may name as its image (<c>oci:</c>, <c>docker-archive:</c>,
    /// <c>rootfs:</c>, ...) or as the root file system or initial RAM disk of a guest with its own init; empty: none.
    /// </summary>
    public IReadOnlyList<string> AllowedImagePaths { get; init; } = [];
}
