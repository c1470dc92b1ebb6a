using Ergon.Linux;

namespace Ergon.Process.Tests;

/// <summary>Looks at what executors do to this machine, from the outside.</summary>
internal static class HostView
{
    private static readonly string[] Families = ["ergon", "ergon-kept"];

    /// <summary>The processes of an execution, by the cgroups that they are in.</summary>
    public static IReadOnlyList<int> ProcessesOf(string executorId, ExecutionId executionId) =>
        [.. ProcessTable.ReadAll().Where(p => p.State is not ('Z' or 'X')).Select(p => p.Id).Where(id => Families.Any(family => CgroupsOf(id).Contains($"/{family}/{executorId}/{executionId}")))];

    /// <summary>The init process of an execution's sandbox; <see langword="null"/> when there is none.</summary>
    public static int? InitOf(string executorId, ExecutionId executionId)
    {
        foreach (var member in ProcessesOf(executorId, executionId))
        {
            foreach (var id in ProcessTable.InNamespaceOf(member))
                if (NamespaceIdsOf(id) is { Length: > 1 } ids && ids[^1] == "1") return id;
        }

        return null;
    }

    /// <summary>Cgroups, processes and mounts that carry one of the ids, or anything of Ergon's that only a sandbox may see.</summary>
    public static IEnumerable<string> Leftovers(IReadOnlyCollection<string> executorIds)
    {
        foreach (var id in executorIds)
        {
            foreach (var process in ProcessTable.ReadAll().Where(p => Families.Any(family => CgroupsOf(p.Id).Contains($"/{family}/{id}/")))) yield return $"process {process.Id} of {id}";
            foreach (var (keeper, variable) in ProcessTable.WithVariable($"ERGON_KEEPER={id}/")) yield return $"keeper {keeper}: {variable}";
            foreach (var directory in CgroupDirectories(id)) yield return $"cgroup {directory}";
        }

        foreach (var mount in MountTable.ReadOwn().Where(m => m.Source.StartsWith("ergon-", StringComparison.Ordinal))) yield return $"mount {mount.MountPoint}";
    }

    private static IEnumerable<string> CgroupDirectories(string executorId)
    {
        var hierarchies = CgroupHierarchies.ReadOwn();
        var places = hierarchies.V1.Values.ToList();
        for (var directory = hierarchies.V2; directory is not null && directory.Length >= hierarchies.V2Root!.Length; directory = Path.GetDirectoryName(directory))
            places.Add(directory);
        return places.SelectMany(p => Families.Select(family => Path.Combine(p, family, executorId))).Where(Directory.Exists).Distinct();
    }

    private static string CgroupsOf(int id) => CgroupText.Read($"/proc/{id}/cgroup") ?? "";

    private static string[] NamespaceIdsOf(int id) =>
        (CgroupText.Read($"/proc/{id}/status") ?? "").Split('\n').FirstOrDefault(l => l.StartsWith("NSpid:", StringComparison.Ordinal))?.Split('\t')[1..] ?? [];
}
