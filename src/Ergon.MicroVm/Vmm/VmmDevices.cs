using Ergon.Linux;

namespace Ergon.MicroVm.Vmm;

/// <summary>
/// Gives an unprivileged VMM the devices of the host that it opens by their paths: where its user may not open one, it sees in its place a
/// node of its own, in a mount namespace of its own. The host's nodes keep their owners.
/// </summary>
internal static class VmmDevices
{
    private const string DirectoryName = "devices";
    private const int CharacterDevice = 0x2000;
    private const int OwnerOnly = 0x180; // 0600

    /// <summary>Adds the steps to a script that runs as root.</summary>
    public static void Give(LaunchScript script, IReadOnlyList<string> devices, UserIdentity user, string directory)
    {
        var denied = devices.Where(File.Exists).Select(path => (Path: path, Status: StatusOf(path))).Where(d => !AccessRights.May(user, d.Status, AccessRights.ReadAndWrite)).ToArray();
        if (denied.Length == 0) return;
        var own = Path.Combine(directory, DirectoryName);
        Directory.CreateDirectory(own);
        script.Unshare(Namespaces.Mount);
        script.Mount(null, "/", null, MountFlags.Private | MountFlags.Recursive);
        // A file system of its own, since the directory's may not have devices.
        script.Mount("ergon-devices", own, "tmpfs", MountFlags.NoSetUid | MountFlags.NoExecute, "mode=0755,size=64k");
        foreach (var (path, status) in denied)
        {
            var node = Path.Combine(own, Path.GetFileName(path));
            script.MakeNode(node, CharacterDevice | OwnerOnly, (int)status.Device.Major, (int)status.Device.Minor);
            script.ChangeOwner(node, user.Uid, user.Gid);
            script.Mount(node, path, null, MountFlags.Bind);
        }
    }

    private static FileStatus StatusOf(string path)
    {
        using var handle = Descriptors.Open(path, Libc.PathOnly);
        return FileStatus.Of(handle);
    }
}
