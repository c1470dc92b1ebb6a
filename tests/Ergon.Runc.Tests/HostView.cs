using System.Net.NetworkInformation;
using Ergon.Linux;
using Ergon.Linux.Networking;
using Ergon.Networks;
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
            foreach (var network in Networks(id)) yield return network;
        }

        foreach (var mount in MountTable.ReadOwn().Where(m => m.MountPoint.StartsWith(directory, StringComparison.Ordinal))) yield return $"mount on {mount.MountPoint}";
    }

    // The interface of an execution shows its ids; its note and its rules are in files and tables of known names.
    private static IEnumerable<string> Networks(string executorId)
    {
        foreach (var name in NetworkInterface.GetAllNetworkInterfaces().Select(i => i.Name))
            if (NetworkLink.GetAlias(name)?.StartsWith(executorId + "/", StringComparison.Ordinal) == true) yield return $"interface {name}";
        var notes = new BridgeNetworkOptions().StateDirectory;
        if (!Directory.Exists(notes)) yield break;
        foreach (var note in Directory.EnumerateFiles(notes))
            if (Read(note).Contains($"\"{executorId}\"")) yield return $"note {note}";
        var table = NetworkRules.TableOf(executorId);
        if (NftCommand.Find("nft") is { } nft && Run(nft, "list", "tables").Contains(table)) yield return $"table {table}";
    }

    private static string Read(string path)
    {
        try
        {
            return File.ReadAllText(path);
        }
        catch (FileNotFoundException)
        {
            return ""; // another execution's, which has ended
        }
    }

    private static string Run(string program, params string[] arguments)
    {
        using var process = System.Diagnostics.Process.Start(new System.Diagnostics.ProcessStartInfo(program, arguments) { UseShellExecute = false, RedirectStandardOutput = true })!;
        var output = process.StandardOutput.ReadToEnd();
        process.WaitForExit();
        return output;
    }

    /// <summary>The cgroups of an execution.</summary>
    public static IEnumerable<string> CgroupsOf(string executorId, ExecutionId id) => Cgroups($"{executorId}/{id}");

    private static IEnumerable<string> Cgroups(string path)
    {
        var hierarchies = CgroupHierarchies.ReadOwn();
        var places = hierarchies.V1.Values.Append(hierarchies.V2 ?? "/sys/fs/cgroup").Distinct();
        return places.SelectMany(place => (string[])[$"{place}/ergon-container/{path}", $"{place}/ergon-container-kept/{path}"]).Where(Directory.Exists).Select(path => $"cgroup {path}");
    }
}
