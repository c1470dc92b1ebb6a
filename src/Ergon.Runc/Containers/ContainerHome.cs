using System.Runtime.Versioning;
using Ergon.Linux;
using Ergon.Runc.Bundles;
using Microsoft.Win32.SafeHandles;

namespace Ergon.Runc.Containers;

/// <summary>
/// What a container lives in: a mount namespace in which its bundle and its root file system are mounted, a pid namespace around its own, perhaps a network
/// namespace, all kept alive by a <see cref="Keeper"/>. The processes of the container become children of the keeper, and everything is gone
/// when that dies: there is no mount that could be left behind.
/// </summary>
[SupportedOSPlatform("linux")]
internal sealed class ContainerHome : IDisposable
{
    /// <summary>What only the keepers of containers have.</summary>
    public static readonly KeeperMark Keepers = new("ERGON_CONTAINER");

    /// <summary>Where the keeper has the reading ends of the output.</summary>
    public const int KeptStdout = 3;
    public const int KeptStderr = 4;

    /// <summary>Where a process in the keeper's namespaces finds <see cref="ContainerInit"/>, which the keeper has after the lock of the image.</summary>
    public const string InitPath = "/proc/1/fd/6";

    // SealedRuntime comes after that, where there is one; else it may be anything else.
    private const int KeptRuntime = 7;
    private const string RuntimePath = "/proc/1/fd/7";
    private const string InMemory = "/memfd:";

    // runc ends before it would collect garbage, and has nothing to do at the same time; Go would start threads for both.
    private static readonly string[] Environment = [.. LaunchScript.SystemPath, "GOGC=off", "GOMAXPROCS=1"];

    private const int FirstOfItsNamespace = 1;
    private const MountFlags Slave = (MountFlags)0x80000;

    // The configuration, what runc notes, and names, which the job may write.
    private const string BundleOptions = "mode=0755,size=4m";
    private const int Readable = 0x1ED; // 0755
    private const int Private = 0x1C0; // 0700

    private readonly KernelEvents _events;

    private ContainerHome(Keeper keeper, KernelEvents events) => (Keeper, _events) = (keeper, events);

    public Keeper Keeper { get; }

    /// <summary>The network namespace of the keeper, for a process in the same pid namespace.</summary>
    public const string NetworkPath = "/proc/1/ns/net";

    /// <summary>Makes one.</summary>
    /// <param name="request">What its keeper is given.</param>
    /// <param name="paths">Where its files are.</param>
    /// <param name="layers">The layers of the root file system, the topmost first.</param>
    /// <param name="ownNetwork">Whether it has a network namespace of its own already.</param>
    /// <param name="events">Tells when it ends.</param>
    /// <exception cref="LinuxException">The kernel refused a step; nothing is left of it.</exception>
    public static async Task<ContainerHome> CreateAsync(KeeperRequest request, BundlePaths paths, IReadOnlyList<string> layers, bool ownNetwork, KernelEvents events)
    {
        var (options, directory) = OverlayOptions.For(layers, paths.Upper, paths.Work);
        var keeper = await Keeper.StartAsync(
            request,
            (script, descriptors) =>
            {
                script.IsolateDescriptors();
                script.Unshare(Namespaces.Mount | (ownNetwork ? Namespaces.Network : Namespaces.None));
                // What the host unmounts must not be kept busy from here.
                script.Mount(null, "/", null, MountFlags.Recursive | Slave);
                script.ChangeDirectory(directory);
                // Nor does this process open a device when it looks for the user in the files of an image.
                script.Mount("overlay", paths.Root, "overlay", MountFlags.NoDevices, options);
                script.ChangeDirectory("/");
                script.Mount("tmpfs", paths.Bundle, "tmpfs", MountFlags.NoSetUid | MountFlags.NoDevices | MountFlags.NoExecute, BundleOptions);
                script.MakeDirectory(paths.Etc, Readable);
                script.MakeDirectory(paths.State, Private);
                var hostProcesses = LaunchScript.CanMountProcesses ? script.OpenHostProcesses() : default;
                var id = script.StartKeeper(request, descriptors, Keeper.HostWaitPrograms);
                script.Divide();
                // runc looks at its own processes there.
                if (LaunchScript.CanMountProcesses) script.MountProcesses(hostProcesses, "/proc");
                else script.MountProcessesFromInside(descriptors.Null);
                return id;
            },
            events);
        return new ContainerHome(keeper, events);
    }

    /// <summary>Takes over the one of a keeper that a former process started; <see langword="null"/> when it is gone.</summary>
    public static ContainerHome? Attach(int keeperId, KernelEvents events) => Keeper.Attach(keeperId, events) is { } keeper ? new ContainerHome(keeper, events) : null;

    /// <summary>Where a process in the keeper's namespaces finds the runtime: in memory, if the keeper has it, else in its file.</summary>
    public string RuntimeOf(string program) =>
        new FileInfo($"/proc/{Keeper.Id}/fd/{KeptRuntime}").LinkTarget?.StartsWith(InMemory, StringComparison.Ordinal) == true ? RuntimePath : program;

    /// <summary>Leads to what only the keeper's mount namespace sees.</summary>
    public string PathOf(string path) => $"/proc/{Keeper.Id}/root{path}";

    /// <summary>Opens the root directory of the container.</summary>
    public SafeFileHandle OpenRoot(BundlePaths paths) => Descriptors.Open(PathOf(paths.Root), Libc.PathOnly);

    /// <summary>Starts the first child of the keeper, so that how it ended can be known after this process.</summary>
    /// <param name="path">The program's path.</param>
    /// <param name="arguments">The argument vector.</param>
    /// <param name="streams">The descriptors that become its 0, 1, 2, ...</param>
    public async Task<ChildProcess> StartKeptAsync(string path, IReadOnlyList<string> arguments, IReadOnlyList<int> streams)
    {
        using var script = new LaunchScript();
        _ = await RunAsync(script, path, arguments, streams, kept: true);
        return FindRuntime() ?? throw Ended(arguments);
    }

    /// <summary>Finds the runtime among the children of the keeper, ended or not.</summary>
    public ChildProcess? FindRuntime() => Find(id => ProcessTable.InnermostIdOf(id) is not (null or FirstOfItsNamespace));

    /// <summary>Finds the first process of the container among the children of the keeper.</summary>
    public ChildProcess? FindFirstProcess() => Find(id => ProcessTable.InnermostIdOf(id) == FirstOfItsNamespace);

    /// <summary>Starts a program inside as a child of this process.</summary>
    /// <param name="arguments">The argument vector; the first is the program's path.</param>
    /// <param name="streams">The descriptors that become its 0, 1, 2, ...</param>
    public async Task<ChildProcess> StartAsync(IReadOnlyList<string> arguments, IReadOnlyList<int> streams)
    {
        using var script = new LaunchScript();
        return await RunAsync(script, arguments[0], arguments, streams, kept: false) ?? throw Ended(arguments);
    }

    public Task DestroyAsync() => Keeper.DestroyAsync();

    public void Dispose() => Keeper.Dispose();

    private async Task<ChildProcess?> RunAsync(LaunchScript script, string path, IReadOnlyList<string> arguments, IReadOnlyList<int> streams, bool kept)
    {
        using var mounts = Keeper.OpenNamespace("mnt");
        using var processes = Keeper.OpenNamespace("pid");
        script.IsolateDescriptors();
        // Entering a mount namespace requires it.
        script.Unshare(Namespaces.FileSystemContext);
        script.Enter(Descriptors.Number(mounts), Namespaces.Mount);
        script.Enter(Descriptors.Number(processes), Namespaces.Process);
        if (kept) script.Divide();
        script.SetFileModeMask(0x12); // 022
        var child = script.NewSlot();
        script.Spawn(new SpawnRequest { Name = arguments[0], Candidates = [path], Arguments = arguments, Environment = Environment, Streams = streams }, child);
        var outcome = await script.RunAsync(_events);
        if (!outcome.Succeeded) throw outcome.ToException();
        return kept ? null : ChildProcess.Adopt((int)script.Result(child), _events);
    }

    // In no order: the runtime may have ended before whoever started it.
    private ChildProcess? Find(Predicate<int> isWanted) =>
        ProcessTable.ChildrenOf(Keeper.Id).Where(id => isWanted(id)).Select(id => ChildProcess.Watch(id, Keeper.Id, _events)).FirstOrDefault();

    private static LinuxException Ended(IReadOnlyList<string> arguments) => new($"start {arguments[0]} for a container that has ended", Errno.NoSuchProcess);
}
