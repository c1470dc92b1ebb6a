using System.Runtime.InteropServices;
using Ergon.Linux;

namespace Ergon.GuestAgent.Boot;

/// <summary>Mounts what the kernel shows of itself.</summary>
internal static class KernelFileSystems
{
    private const string Controllers = "/sys/fs/cgroup/cgroup.subtree_control";

    public static void Mount()
    {
        Mount("proc", "/proc", MountFlags.NoSetUid | MountFlags.NoDevices | MountFlags.NoExecute);
        Mount("sysfs", "/sys", MountFlags.NoSetUid | MountFlags.NoDevices | MountFlags.NoExecute);
        Mount("devtmpfs", "/dev", MountFlags.NoSetUid);
        // The kernel must never choose the one process that can say what it chose.
        File.WriteAllText("/proc/self/oom_score_adj", "-1000");
    }

    /// <summary>Mounts the cgroups, with every controller that the kernel has for those below.</summary>
    public static void MountCgroups()
    {
        Mount("cgroup2", "/sys/fs/cgroup", MountFlags.NoSetUid | MountFlags.NoDevices | MountFlags.NoExecute);
        foreach (var controller in CgroupText.Read("/sys/fs/cgroup/cgroup.controllers")?.Split([' ', '\n'], StringSplitOptions.RemoveEmptyEntries) ?? [])
        {
            if (controller is not ("memory" or "pids" or "cpu" or "io")) continue;
            try
            {
                File.WriteAllText(Controllers, "+" + controller);
            }
            catch (IOException e)
            {
                GuestConsole.Write($"the cgroup controller {controller} cannot be used: {e.Message}");
            }
        }
    }

    private static void Mount(string type, string target, MountFlags flags)
    {
        _ = Libc.MakeDirectory(target, 0x1ed);
        // Some kernels mount their devices themselves.
        if (Libc.Mount(type, target, type, (nuint)flags, null) < 0 && Marshal.GetLastPInvokeError() is not Errno.Busy and var errno)
            throw new LinuxException($"mount {type} on {target}", errno);
    }
}
