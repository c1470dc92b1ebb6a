using System.Runtime.Versioning;
using Ergon.Linux;

namespace Ergon.Process.Sandboxing;

/// <summary>Writes the launch script that makes a sandbox: namespaces, file system, and the two processes that keep them alive.</summary>
/// <remarks>
/// The keeper is the first process of a pid namespace around that of the job. It never collects a child, so that how the commands of the
/// execution ended can be read from the kernel by whoever comes after this process. The init process of the inner namespace ignores its
/// children, so that the kernel itself collects what the job leaves behind. When the keeper dies, the kernel kills everything inside.
/// </remarks>
[SupportedOSPlatform("linux")]
internal sealed class SandboxScript(LaunchScript script, SandboxSpec spec, SandboxLayout layout)
{
    private const int PrivateMode = 0x3ff; // 01777
    private const int DirectoryMode = 0x1ed; // 0755
    private const MountFlags Harmless = MountFlags.NoSetUid | MountFlags.NoDevices;
    private const MountFlags Unchangeable = Harmless | MountFlags.ReadOnly;

    private static readonly string[] Devices = ["null", "zero", "full", "random", "urandom", "tty"];

    private readonly List<(string Source, string Target)> _bound = [];
    private readonly Lazy<IReadOnlyList<MountEntry>> _hostMounts = new(MountTable.ReadOwn);

    private string Root => spec.Directory + "/root";

    private string Private => spec.Directory + "/private";

    /// <summary>Writes everything.</summary>
    /// <param name="keeper">What the keeper is given.</param>
    /// <param name="descriptors">The descriptors with which it is started.</param>
    /// <returns>Where the keeper's process id will be.</returns>
    public ScriptValue Write(KeeperRequest keeper, KeeperDescriptors descriptors)
    {
        script.IsolateDescriptors();
        script.Unshare(Namespaces.Mount | Namespaces.Ipc | Namespaces.HostName | (spec.OwnNetwork ? Namespaces.Network : Namespaces.None));
        script.SetFileModeMask(0);
        script.Mount(null, "/", null, MountFlags.Recursive | MountFlags.Private);
        BuildRoot();
        BuildPrivateDirectories();
        BuildDevices();
        BuildSystem();
        MountVolumes();
        var hostProcesses = spec.MountsProcessesDirectly ? script.OpenHostProcesses() : default;
        script.ChangeRoot(Root);
        script.SetHostName(spec.HostName);
        if (spec.OwnNetwork) script.BringLoopbackUp();
        var id = script.StartKeeper(keeper, descriptors, Keeper.WaitPrograms);
        script.Divide();
        StartInit(descriptors.Null, descriptors.LifelineRead);
        if (spec.MountsProcessesDirectly) script.MountProcesses(hostProcesses, "/proc");
        else script.MountProcessesFromInside(descriptors.Null);
        script.ProtectPaths();
        return id;
    }

    private void BuildRoot()
    {
        script.Mount("ergon-root", Root, "tmpfs", Harmless, "mode=0755,size=16m");
        // Else the host directory that contains it would bring it in again.
        script.Mount(null, Root, null, MountFlags.Unbindable);
        foreach (var directory in layout.Rebuilt) Rebuild(directory);
        foreach (var directory in layout.Hidden.Where(IsMounted)) script.Mount("ergon-hidden", Root + directory, "tmpfs", Harmless, "mode=0755,size=1m");

        foreach (var directory in layout.NewDirectories.Where(d => !SandboxLayout.IsPrivate(d))) script.MakeDirectory(Root + directory, DirectoryMode);
        foreach (var file in layout.NewFiles.Where(f => !SandboxLayout.IsPrivate(f))) script.MakeFile(Root + file);
        RestrictRoot();
    }

    private void Rebuild(string directory)
    {
        if (directory != "/") script.Mount("ergon-rebuilt", Root + directory, "tmpfs", Harmless, "mode=0755,size=16m");
        foreach (var entry in Directory.EnumerateFileSystemEntries(directory))
        {
            var target = Root + entry;
            switch (SandboxLayout.Kind(entry))
            {
                case EntryKind.Link when !IsEmptied(entry):
                    script.MakeSymbolicLink(new FileInfo(entry).LinkTarget!, target);
                    break;
                case EntryKind.Directory or EntryKind.Link:
                    script.MakeDirectory(target, DirectoryMode);
                    if (!IsEmptied(entry)) BindFromHost(entry, target, MountFlags.Recursive);
                    break;
                case EntryKind.File:
                    script.MakeFile(target);
                    BindFromHost(entry, target, MountFlags.None);
                    break;
            }
        }

        if (directory != "/") return;
        foreach (var needed in (string[])["/tmp", "/run", "/dev", "/proc", "/sys"]) script.MakeDirectory(Root + needed, DirectoryMode);
    }

    // At the top, hidden directories are simply not filled; deeper down something is mounted over them.
    private static bool IsMounted(string hidden) => System.IO.Path.GetDirectoryName(hidden) != "/";

    private bool IsEmptied(string entry) =>
        entry is "/tmp" or "/run" or "/dev" or "/proc" or "/sys" || layout.Hidden.Contains(entry);

    private void BuildPrivateDirectories()
    {
        // One file system for all of them, so that they have one size together.
        script.Mount("ergon-private", Private, "tmpfs", Harmless, spec.PrivateBytes is { } bytes ? $"mode=0755,size={bytes}" : "mode=0755");
        foreach (var directory in SandboxLayout.PrivateDirectories)
        {
            var source = $"{Private}/{directory[1..].Replace('/', '-')}";
            script.MakeDirectory(source, PrivateMode);
            // The host's /var/tmp may be missing or a link to /tmp; /dev/shm comes with the devices.
            if (directory == "/dev/shm" || (directory == "/var/tmp" && SandboxLayout.Kind(directory) != EntryKind.Directory)) continue;
            script.Mount(source, Root + directory, null, MountFlags.Bind);
        }
    }

    private void BuildDevices()
    {
        var target = Root + "/dev";
        script.Mount("ergon-dev", target, "tmpfs", MountFlags.NoSetUid | MountFlags.NoExecute, "mode=0755,size=1m");
        foreach (var device in Devices)
        {
            script.MakeFile($"{target}/{device}");
            script.Mount($"/dev/{device}", $"{target}/{device}", null, MountFlags.Bind, tolerated: Errno.NoEntry);
        }

        script.MakeDirectory($"{target}/pts", DirectoryMode);
        script.Mount("devpts", $"{target}/pts", "devpts", MountFlags.NoSetUid | MountFlags.NoExecute, "newinstance,ptmxmode=0666,mode=0620");
        script.MakeDirectory($"{target}/shm", PrivateMode);
        script.Mount($"{Private}/dev-shm", $"{target}/shm", null, MountFlags.Bind);
        script.MakeSymbolicLink("pts/ptmx", $"{target}/ptmx");
        script.MakeSymbolicLink("/proc/self/fd", $"{target}/fd");
        script.MakeSymbolicLink("/proc/self/fd/0", $"{target}/stdin");
        script.MakeSymbolicLink("/proc/self/fd/1", $"{target}/stdout");
        script.MakeSymbolicLink("/proc/self/fd/2", $"{target}/stderr");
        script.Mount(null, target, null, MountFlags.Remount | MountFlags.Bind | MountFlags.ReadOnly | MountFlags.NoSetUid | MountFlags.NoExecute);
    }

    private void BuildSystem()
    {
        var target = Root + "/sys";
        script.Mount("sysfs", target, "sysfs", Unchangeable | MountFlags.NoExecute);
        if (!Directory.Exists("/sys/fs/cgroup")) return;
        // For the runtimes that read their limits there.
        script.Mount("/sys/fs/cgroup", target + "/fs/cgroup", null, MountFlags.Bind | MountFlags.Recursive, tolerated: Errno.NoEntry);
        Restrict("/sys/fs/cgroup", target + "/fs/cgroup", Unchangeable);
    }

    private void MountVolumes()
    {
        foreach (var directory in layout.NewDirectories.Where(SandboxLayout.IsPrivate)) script.MakeDirectory(Root + directory, DirectoryMode);
        foreach (var file in layout.NewFiles.Where(SandboxLayout.IsPrivate)) script.MakeFile(Root + file);
        foreach (var (volume, target) in layout.Volumes)
        {
            script.Mount(volume.Source, Root + target, null, MountFlags.Bind | MountFlags.Recursive);
            Restrict(volume.Source, Root + target, volume.ReadOnly ? Unchangeable : Harmless);
        }
    }

    private void RestrictRoot()
    {
        if (spec.ChangesMountsAtOnce)
        {
            script.AddMountAttributes(Root, Unchangeable);
            return;
        }

        foreach (var (source, target) in _bound) Restrict(source, target, Unchangeable);
        foreach (var made in layout.Rebuilt.Concat(layout.Hidden.Where(IsMounted)).Reverse())
            script.Mount(null, Root + made.TrimEnd('/'), null, MountFlags.Remount | MountFlags.Bind | Unchangeable);
    }

    private void Restrict(string source, string target, MountFlags attributes)
    {
        if (spec.ChangesMountsAtOnce) script.AddMountAttributes(target, attributes);
        else script.AddMountAttributesOneByOne(source, target, attributes, _hostMounts.Value);
    }

    private void BindFromHost(string source, string target, MountFlags flags)
    {
        // What is deleted meanwhile stays an empty file or directory.
        script.Mount(source, target, null, MountFlags.Bind | flags, tolerated: Errno.NoEntry);
        _bound.Add((source, target));
    }

    private void StartInit(int nullDevice, int lifeline)
    {
        script.Unshare(Namespaces.Process);
        script.IgnoreChildren(true);
        script.BorrowUser(Keeper.User);
        script.Spawn(
            new SpawnRequest
            {
                Name = "the sandbox's init process",
                Candidates = Keeper.WaitPrograms,
                Arguments = Keeper.WaitCommand,
                Environment = LaunchScript.SystemPath,
                Streams = [lifeline, nullDevice, nullDevice],
                IgnoresChildren = true,
            },
            script.NewSlot());
        script.ReturnToRoot();
        script.IgnoreChildren(false);
        script.EndWithThread();
    }
}
