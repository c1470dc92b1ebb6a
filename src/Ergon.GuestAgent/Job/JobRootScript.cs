using Ergon.Linux;

namespace Ergon.GuestAgent.Job;

/// <summary>
/// Writes the script that the first process of the job's namespaces runs: it goes into the job's root and mounts there what belongs
/// inside. Every path is followed in there, so that no link of the image leads out.
/// </summary>
internal sealed class JobRootScript(LaunchScript script)
{
    // Nobody else's, so that not even a job that kills everything it may kill can end its own namespaces.
    private static readonly UserIdentity FirstUser = new(65533, 65533, []);

    private const int DirectoryMode = 0x1ed; // 0755
    private const int SharedMode = 0x3ff; // 01777
    private const int CharacterDevice = 0x2000 | 0x1b6;
    private const MountFlags Harmless = MountFlags.NoSetUid | MountFlags.NoDevices;
    private const MountFlags Unchangeable = Harmless | MountFlags.ReadOnly;

    private static readonly (string Name, int Major, int Minor)[] Devices =
        [("null", 1, 3), ("zero", 1, 5), ("full", 1, 7), ("random", 1, 8), ("urandom", 1, 9), ("tty", 5, 0)];

    public void Write(IReadOnlyList<JobMount> mounts, string workingDirectory, bool readOnly)
    {
        script.SetFileModeMask(0);
        script.CoverRoot(JobRoot.Root);
        BuildProcesses();
        BuildSystem();
        BuildDevices();
        script.MakeDirectory("/tmp", SharedMode);
        foreach (var mount in mounts)
        {
            MakeDirectories(mount.IsDirectory ? mount.Target : Path.GetDirectoryName(mount.Target)!);
            if (!mount.IsDirectory) script.MakeFile(mount.Target);
            script.Place(mount.Handle, mount.Source, mount.Target);
        }

        MakeDirectories(workingDirectory);
        if (readOnly) script.Mount(null, "/", null, MountFlags.Remount | MountFlags.Bind | MountFlags.ReadOnly | MountFlags.NoDevices);
        script.ProtectPaths();
        script.BecomeUser(FirstUser);
        script.Stay();
    }

    private void BuildProcesses()
    {
        script.MakeDirectory("/proc", DirectoryMode);
        script.Mount("proc", "/proc", "proc", Harmless | MountFlags.NoExecute);
    }

    private void BuildSystem()
    {
        script.MakeDirectory("/sys", DirectoryMode);
        script.Mount("sysfs", "/sys", "sysfs", Unchangeable | MountFlags.NoExecute);
        // For the runtimes that read their limits there.
        script.Mount("cgroup2", "/sys/fs/cgroup", "cgroup2", Unchangeable | MountFlags.NoExecute, null, Errno.NoEntry, Errno.NoDevice);
    }

    private void BuildDevices()
    {
        script.MakeDirectory("/dev", DirectoryMode);
        script.Mount("ergon-dev", "/dev", "tmpfs", MountFlags.NoSetUid | MountFlags.NoExecute, "mode=0755,size=1m");
        foreach (var (name, major, minor) in Devices) script.MakeNode($"/dev/{name}", CharacterDevice, major, minor);
        script.MakeDirectory("/dev/pts", DirectoryMode);
        script.Mount("devpts", "/dev/pts", "devpts", MountFlags.NoSetUid | MountFlags.NoExecute, "newinstance,ptmxmode=0666,mode=0620");
        script.MakeDirectory("/dev/shm", SharedMode);
        script.Mount("ergon-shm", "/dev/shm", "tmpfs", Harmless, "mode=1777");
        script.MakeSymbolicLink("pts/ptmx", "/dev/ptmx");
        script.MakeSymbolicLink("/proc/self/fd", "/dev/fd");
        script.MakeSymbolicLink("/proc/self/fd/0", "/dev/stdin");
        script.MakeSymbolicLink("/proc/self/fd/1", "/dev/stdout");
        script.MakeSymbolicLink("/proc/self/fd/2", "/dev/stderr");
        script.Mount(null, "/dev", null, MountFlags.Remount | MountFlags.Bind | MountFlags.ReadOnly | MountFlags.NoSetUid | MountFlags.NoExecute);
    }

    private void MakeDirectories(string path)
    {
        for (var end = path.IndexOf('/', 1); end > 0; end = path.IndexOf('/', end + 1)) script.MakeDirectory(path[..end], DirectoryMode);
        if (path.Length > 1) script.MakeDirectory(path, DirectoryMode);
    }
}
