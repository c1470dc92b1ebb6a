using Ergon.Linux;
using Ergon.Runc.Containers;

namespace Ergon.Runc.Tests;

/// <summary>What an administrator sees of executions on this host.</summary>
internal static class HostView
{
    public static bool IsOrdinaryUser => Libc.EffectiveUserId() != 0;

    public static int? KeeperOf(string executorId, ExecutionId id) =>
        ContainerHome.Keepers.Find(executorId).Where(k => k.Execution == id.Value).Select(k => (int?)k.Id).FirstOrDefault();

    public static int? FirstProcessOf(string executorId, ExecutionId id) => KeeperOf(executorId, id) is not { } keeper
        ? null
        : ProcessTable.ChildrenOf(keeper).Cast<int?>().FirstOrDefault(child => ProcessTable.InnermostIdOf(child!.Value) == 1);

    /// <summary>Everything that carries one of the executor ids, and every mount below a directory.</summary>
    public static IEnumerable<string> Leftovers(IReadOnlyCollection<string> executorIds, string directory)
    {
        foreach (var id in executorIds)
        {
            foreach (var keeper in ContainerHome.Keepers.Find(id)) yield return $"keeper {keeper.Id} of {id}/{keeper.Execution}";
            foreach (var cgroup in Cgroups(id)) yield return cgroup;
        }

        foreach (var mount in MountTable.ReadOwn().Where(m => m.MountPoint.StartsWith(directory, StringComparison.Ordinal))) yield return $"mount on {mount.MountPoint}";
    }

    private static IEnumerable<string> Cgroups(string executorId)
    {
        var hierarchies = CgroupHierarchies.ReadOwn();
        var places = hierarchies.V1.Values.Append(hierarchies.V2 ?? "/sys/fs/cgroup").Distinct();
        return places.SelectMany(place => (string[])[$"{place}/ergon-container/{executorId}", $"{place}/ergon-container-kept/{executorId}"]).Where(Directory.Exists).Select(path => $"cgroup {path}");
    }
}
