using System.Runtime.InteropServices;

namespace Ergon.Linux;

/// <summary>Flags of <c>mount</c>.</summary>
[Flags]
internal enum MountFlags
{
    None = 0,
    ReadOnly = 1,
    NoSetUid = 2,
    NoDevices = 4,
    NoExecute = 8,
    Remount = 0x20,
    NoAccessTime = 0x400,
    Bind = 0x1000,
    Move = 0x2000,
    Recursive = 0x4000,
    Unbindable = 0x20000,
    Private = 0x40000,
}

internal sealed unsafe partial class LaunchScript
{
    private const int WorkingDirectory = -100;
    private const int AtRecursive = 0x8000;
    private const int DetachMount = 2;
    private const int ToFollowsLinks = 0x10;
    private const int RegularFile = 0x8000;

    public void Mount(
        string? source, string target, string? type, MountFlags flags, string? options = null, int tolerated = 0, int alsoTolerated = 0) =>
        Call(
            $"mount {source ?? type ?? "(change)"} on {target} ({flags})", SystemCallNumbers.Mount, source is null ? 0 : Arena.Text(source),
            Arena.Text(target), type is null ? 0 : Arena.Text(type), (nint)flags, options is null ? 0 : Arena.Text(options),
            tolerated: tolerated, alsoTolerated: alsoTolerated);

    /// <summary>Whether the kernel can change a mount with everything below it in one call (5.12).</summary>
    public static bool CanAddMountAttributes { get; } = Environment.OSVersion.Version >= new Version(5, 12);

    /// <summary>Adds attributes to a mount and to everything mounted below it.</summary>
    public void AddMountAttributes(string target, MountFlags attributes)
    {
        var block = (ulong*)Arena.Allocate(4 * sizeof(ulong)); // struct mount_attr: set, clear, propagation, user namespace
        block[0] = (ulong)attributes; // these four flags have the same bits as MOUNT_ATTR_*
        Call(
            $"restrict the mounts below {target} ({attributes})", SystemCallNumbers.MountSetAttributes, WorkingDirectory, Arena.Text(target),
            AtRecursive, (nint)block, 4 * sizeof(ulong));
    }

    /// <summary>Does the same mount by mount, for older kernels.</summary>
    /// <param name="source">The directory of the host that is mounted at the target.</param>
    /// <param name="target">Where it is mounted, with everything below it.</param>
    /// <param name="attributes">What to add.</param>
    /// <param name="hostMounts">The mounts of the host.</param>
    public void AddMountAttributesOneByOne(string source, string target, MountFlags attributes, IReadOnlyList<MountEntry> hostMounts)
    {
        var below = hostMounts.Where(m => m.MountPoint.StartsWith(source + "/", StringComparison.Ordinal)).ToList();
        var itself = hostMounts.Where(m => source == m.MountPoint || source.StartsWith(m.MountPoint.TrimEnd('/') + "/", StringComparison.Ordinal)).MaxBy(m => m.MountPoint.Length);
        Restrict(target, attributes | Kept(itself), 0);
        // What lies under another mount cannot be reached by its path, and need not be.
        foreach (var mount in below) Restrict(target + mount.MountPoint[source.Length..], attributes | Kept(mount), Errno.Invalid);
    }

    // A change sets all flags anew: what the host has forbidden stays forbidden.
    private static MountFlags Kept(MountEntry? mount)
    {
        var options = mount?.Options.Split(',') ?? [];
        return (options.Contains("ro") ? MountFlags.ReadOnly : MountFlags.None) | (options.Contains("nosuid") ? MountFlags.NoSetUid : MountFlags.None) |
            (options.Contains("nodev") ? MountFlags.NoDevices : MountFlags.None) | (options.Contains("noexec") ? MountFlags.NoExecute : MountFlags.None);
    }

    private void Restrict(string target, MountFlags flags, int tolerated) =>
        Mount(null, target, null, MountFlags.Remount | MountFlags.Bind | flags, null, tolerated, tolerated == 0 ? 0 : Errno.NoEntry);

    public void MakeDirectory(string path, int mode) => Call(
        $"make the directory {path}", SystemCallNumbers.MakeDirectoryAt, WorkingDirectory, Arena.Text(path), mode, tolerated: Errno.Exists);

    /// <summary>Makes an empty file, for something to be mounted on.</summary>
    public void MakeFile(string path) => Call(
        $"make the file {path}", SystemCallNumbers.MakeNodeAt, WorkingDirectory, Arena.Text(path), RegularFile | 0x124, tolerated: Errno.Exists);

    public void MakeNode(string path, int mode, int major, int minor) => Call(
        $"make the device {path}", SystemCallNumbers.MakeNodeAt, WorkingDirectory, Arena.Text(path), mode, (major << 8) | minor, tolerated: Errno.Exists);

    public void MakeSymbolicLink(string content, string path) => Call(
        $"make the link {path}", SystemCallNumbers.MakeSymbolicLinkAt, Arena.Text(content), WorkingDirectory, Arena.Text(path), tolerated: Errno.Exists);

    public void ChangeOwner(string path, uint uid, uint gid) => Call(
        $"give {path} to user {uid}", SystemCallNumbers.ChangeOwnerAt, WorkingDirectory, Arena.Text(path), uid, gid);

    public void ChangeDirectory(string path) => Call($"change to the directory {path}", SystemCallNumbers.Chdir, Arena.Text(path));

    public void SetFileModeMask(int mask) => Call("set the file mode mask", SystemCallNumbers.Umask, mask);

    /// <summary>
    /// Makes a directory, which must be a mount point, the root directory by moving it over the old one: the file system that the kernel
    /// starts with cannot be let go of.
    /// </summary>
    public void CoverRoot(string path)
    {
        ChangeDirectory(path);
        Mount(".", "/", null, MountFlags.Move);
        Call($"make {path} the root", SystemCallNumbers.ChangeRoot, Arena.Text("."));
        ChangeDirectory("/");
    }

    /// <summary>Puts a mount that was prepared with <see cref="DetachedMount"/> in its place, following links.</summary>
    public void Place(SafeHandle mount, string name, string target) => Call(
        $"mount {name} on {target}", SystemCallNumbers.MoveMount, Descriptors.Number(mount), Arena.Text(""), WorkingDirectory, Arena.Text(target),
        FromDescriptor | ToFollowsLinks);

    /// <summary>Makes a directory, which must be a mount point, the root directory, and lets go of the old one.</summary>
    public void ChangeRoot(string path)
    {
        ChangeDirectory(path);
        var here = Arena.Text(".");
        // The old root ends on top of the new one, where "." then leads to it.
        Call("make the sandbox's root directory the root", SystemCallNumbers.PivotRoot, here, here);
        Call("let go of the host's root directory", SystemCallNumbers.Unmount, here, DetachMount);
        ChangeDirectory("/");
    }
}
