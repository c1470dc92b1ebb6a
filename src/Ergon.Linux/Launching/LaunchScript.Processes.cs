namespace Ergon.Linux;

internal sealed unsafe partial class LaunchScript
{
    private const int OpenCloseOnExec = 1;
    private const int SetDescriptor = 5;
    private const int CreateFileSystem = 6;
    private const int MountCloseOnExec = 1;
    private const int FromDescriptor = 4;
    private const int SetParentDeathSignal = 1;
    private const int ChildStackBytes = 64 * 1024;
    private const int StackAlignment = 16;

    /// <summary>Whether a view of the processes in another pid namespace can be mounted from outside of it (6.17).</summary>
    public static bool CanMountProcesses { get; } = Environment.OSVersion.Version >= new Version(6, 17);

    /// <summary>Whether a child process executes the second half of the script.</summary>
    public bool IsDivided { get; private set; }

    /// <summary>
    /// From here on, up to <see cref="Finally"/>, the steps are executed by a child process that ends with them. It is in the pid namespace
    /// that the thread has entered, so that what it starts becomes a child of that namespace's init process, which the thread itself
    /// cannot do. A process id that it gets is one of that namespace.
    /// </summary>
    public void Divide()
    {
        if (LaunchChild.Code == 0) throw new LinuxException("create a process that goes on", Errno.NoSystemCall);
        IsDivided = true;
        _state->ChildStack = (Arena.Allocate(ChildStackBytes) + ChildStackBytes) & -StackAlignment;
        var step = new LaunchStep { Kind = LaunchStepKind.Divide, ResultSlot = -1 };
        step.Arguments[0] = Arena.Allocate(SignalSetBytes);
        for (var i = 0; i < 5; i++) step.ArgumentSlots[i] = -1;
        Add("create a process that goes on", step);
        EndWithThread();
    }

    /// <summary>Lets the process that goes on end when the thread does. A change of the user makes the kernel forget it.</summary>
    public void EndWithThread() => Call("end with this program", SystemCallNumbers.Prctl, SetParentDeathSignal, KillSignal, 0, 0, 0);

    /// <summary>Lets the kernel collect the children of this process, and of what it starts with <see cref="SpawnRequest.IgnoresChildren"/>; or no longer.</summary>
    public void IgnoreChildren(bool ignore)
    {
        var action = (nint*)Arena.Allocate(4 * sizeof(long));
        action[0] = ignore ? 1 : 0; // SIG_IGN or SIG_DFL
        Call("set what the end of children does", SystemCallNumbers.SignalAction, ChildSignal, (nint)action, 0, sizeof(long));
    }

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
