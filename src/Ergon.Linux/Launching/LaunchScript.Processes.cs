namespace Ergon.Linux;

internal sealed unsafe partial class LaunchScript
{
    private const int OpenCloseOnExec = 1;
    private const int SetDescriptor = 5;
    private const int CreateFileSystem = 6;
    private const int MountCloseOnExec = 1;
    private const int FromDescriptor = 4;

    /// <summary>Whether a view of the processes in another pid namespace can be mounted from outside of it (6.17).</summary>
    public static bool CanMountProcesses { get; } = Environment.OSVersion.Version >= new Version(6, 17);

    /// <summary>Keeps the host's <c>/proc</c> at hand for <see cref="MountProcesses"/>.</summary>
    public ScriptValue OpenHostProcesses()
    {
        var proc = NewSlot();
        Call("open /proc", SystemCallNumbers.OpenAt, WorkingDirectory, Arena.Text("/proc"), Libc.PathOnly | Libc.CloseOnExec, result: proc);
        return proc;
    }

    /// <summary>Mounts a view of the pid namespace in which the thread's children are; it must have its init process.</summary>
    public void MountProcesses(ScriptValue hostProcesses, string target)
    {
        var (processNamespace, fileSystem, mount) = (NewSlot(), NewSlot(), NewSlot());
        var nothing = Arena.Text("");
        Call(
            "open the pid namespace", SystemCallNumbers.OpenAt, hostProcesses, Arena.Text("thread-self/ns/pid_for_children"),
            Libc.ReadOnly | Libc.CloseOnExec, result: processNamespace);
        Call("prepare the proc file system", SystemCallNumbers.OpenFileSystem, Arena.Text("proc"), OpenCloseOnExec, result: fileSystem);
        Call("give the proc file system its pid namespace", SystemCallNumbers.ConfigureFileSystem, fileSystem, SetDescriptor, Arena.Text("pidns"), 0, processNamespace);
        Call("create the proc file system", SystemCallNumbers.ConfigureFileSystem, fileSystem, CreateFileSystem);
        var flags = (nint)(MountFlags.NoSetUid | MountFlags.NoDevices | MountFlags.NoExecute);
        Call("make a mount of the proc file system", SystemCallNumbers.MountFileSystem, fileSystem, MountCloseOnExec, flags, result: mount);
        Call($"mount the proc file system on {target}", SystemCallNumbers.MoveMount, mount, nothing, WorkingDirectory, Arena.Text(target), FromDescriptor);
    }
}
