namespace Ergon.Linux;

/// <summary>What a keeper is given.</summary>
internal sealed record KeeperRequest
{
    /// <summary>A variable in its environment, by which a later process finds it; see <see cref="KeeperMark"/>.</summary>
    public required string Mark { get; init; }

    /// <summary>Whether it lives on when this process ends.</summary>
    public bool Outlives { get; init; }

    /// <summary>The descriptors that it has as 3 and the following.</summary>
    public IReadOnlyList<int> Kept { get; init; } = [];
}

/// <summary>The descriptors with which a keeper is started.</summary>
/// <param name="Null">The null device.</param>
/// <param name="LifelineRead">The pipe at the end of which it ends.</param>
/// <param name="LifelineWrite">The other end of that.</param>
/// <param name="Kept">What it keeps.</param>
internal sealed record KeeperDescriptors(int Null, int LifelineRead, int LifelineWrite, IReadOnlyList<int> Kept);

internal sealed unsafe partial class LaunchScript
{
    private static readonly string[] MountCommand = ["mount", "-n", "-t", "proc", "-o", "nosuid,nodev,noexec", "proc", "/proc"];

    /// <summary>The environment of the programs that a script starts for itself.</summary>
    public static readonly string[] SystemPath = ["PATH=/usr/sbin:/usr/bin:/sbin:/bin"];

    /// <summary>
    /// Starts the first process of a new pid namespace, which waits for the end of a pipe, starts nothing and collects nobody. From here on
    /// the children of the thread, too, are in that namespace.
    /// </summary>
    /// <param name="request">What it is given.</param>
    /// <param name="descriptors">What it is started with.</param>
    /// <param name="programs">What it executes: <see cref="Keeper.WaitPrograms"/>, or <see cref="Keeper.HostWaitPrograms"/>.</param>
    public ScriptValue StartKeeper(KeeperRequest request, KeeperDescriptors descriptors, IReadOnlyList<string> programs)
    {
        var keeper = NewSlot();
        Unshare(Namespaces.Process);
        BorrowUser(Keeper.User);
        Spawn(
            new SpawnRequest
            {
                Name = "the keeper",
                Candidates = programs,
                Arguments = Keeper.WaitCommand,
                Environment = [.. SystemPath, request.Mark],
                // One that outlives this process holds the other end of the pipe itself.
                Streams =
                [
                    descriptors.LifelineRead, descriptors.Null, descriptors.Null, .. descriptors.Kept,
                    .. request.Outlives ? [descriptors.LifelineWrite] : Array.Empty<int>(),
                ],
            },
            keeper);
        ReturnToRoot();
        return keeper;
    }

    /// <summary>
    /// Mounts the view of the thread's pid namespace with a command that is started in it: to older kernels, only a process inside can.
    /// </summary>
    public void MountProcessesFromInside(int nullDevice)
    {
        var mount = NewSlot();
        Spawn(
            new SpawnRequest
            {
                Name = "mount",
                Candidates = ["/bin/mount", "/usr/bin/mount", "/sbin/mount"],
                Arguments = MountCommand,
                Environment = SystemPath,
                Streams = [nullDevice, nullDevice, nullDevice],
            },
            mount);
        WaitFor(mount, string.Join(' ', MountCommand));
    }
}
