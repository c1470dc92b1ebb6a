using Ergon.Linux;

namespace Ergon.GuestAgent.Boot;

/// <summary>Lets go of the disks.</summary>
internal static class GuestShutdown
{
    private const int Detach = 2;

    public static void Unmount()
    {
        Libc.Sync();
        foreach (var mount in MountTable.ReadOwn().Where(m => m.MountPoint.StartsWith("/ergon/", StringComparison.Ordinal)).Reverse())
            _ = Libc.Unmount(mount.MountPoint, Detach);
    }
}
