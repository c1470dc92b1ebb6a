namespace Ergon.Linux;

/// <summary>Where the cgroup hierarchies are mounted, and where in them this process is.</summary>
/// <param name="V1">This process's directory for each v1 controller.</param>
/// <param name="V2">This process's directory in the v2 hierarchy, if that is mounted.</param>
/// <param name="V2Root">Where the v2 hierarchy is mounted.</param>
internal sealed record CgroupHierarchies(IReadOnlyDictionary<string, string> V1, string? V2, string? V2Root)
{
    public static CgroupHierarchies ReadOwn() => Parse(
        CgroupText.Read("/proc/self/mountinfo") ?? "", CgroupText.Read("/proc/self/cgroup") ?? "");

    /// <summary>Puts together mountinfo and <c>/proc/self/cgroup</c> (cgroups(7)).</summary>
    public static CgroupHierarchies Parse(string mountInfo, string ownCgroups)
    {
        var mounts = MountTable.Parse(mountInfo);
        var v1 = new Dictionary<string, string>();
        string? v2 = null;
        string? v2Root = null;
        foreach (var line in ownCgroups.Split('\n'))
        {
            // hierarchy-id:controllers:path; the path may contain colons.
            var fields = line.Split(':', 3);
            if (fields.Length != 3) continue;
            if (fields[1].Length == 0)
            {
                if (mounts.FirstOrDefault(m => m.Type == "cgroup2") is not { } mount) continue;
                (v2, v2Root) = (DirectoryOf(mount, fields[2]), mount.MountPoint);
                continue;
            }

            foreach (var controller in fields[1].Split(','))
            {
                var mount = mounts.FirstOrDefault(m => m.Type == "cgroup" && m.SuperOptions.Split(',').Contains(controller));
                if (mount is not null) v1[controller] = DirectoryOf(mount, fields[2]);
            }
        }

        return new CgroupHierarchies(v1, v2, v2Root);
    }

    // A container sees only a part of the hierarchy: the mount's root is then its own cgroup and stands for its mount point.
    private static string DirectoryOf(MountEntry mount, string path)
    {
        if (mount.Root != "/")
        {
            var isBelow = path == mount.Root || path.StartsWith(mount.Root + "/", StringComparison.Ordinal);
            path = isBelow ? path[mount.Root.Length..] : "";
        }

        return path.Contains("..", StringComparison.Ordinal) ? mount.MountPoint : Path.Join(mount.MountPoint, path).TrimEnd('/');
    }
}
