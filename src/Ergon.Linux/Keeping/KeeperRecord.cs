using System.Globalization;

namespace Ergon.Linux;

/// <summary>
/// What a later process has to know of a sandbox with a keeper, in a file of lines: the places of its cgroup, written before those are made, and its keeper.
/// Everything else is asked of the kernel.
/// </summary>
internal sealed record KeeperRecord(IReadOnlyDictionary<string, string> CgroupPlaces, int? KeeperId)
{
    private const string Name = "sandbox.record";
    private const string CgroupLine = "cgroup";
    private const string KeeperLine = "keeper";

    public static void Begin(string directory, Cgroup? cgroup) =>
        File.WriteAllLines(Path.Combine(directory, Name), (cgroup?.Places ?? new Dictionary<string, string>()).Select(p => $"{CgroupLine} {p.Key} {p.Value}"));

    public static void AddKeeper(string directory, int id) =>
        File.AppendAllText(Path.Combine(directory, Name), string.Create(CultureInfo.InvariantCulture, $"{KeeperLine} {id}\n"));

    /// <summary>Reads what is there; a line that was not written to its end is left out.</summary>
    public static KeeperRecord Read(string directory)
    {
        var text = CgroupText.Read(Path.Combine(directory, Name)) ?? "";
        var places = new Dictionary<string, string>();
        int? keeper = null;
        foreach (var line in text[..(text.LastIndexOf('\n') + 1)].Split('\n'))
        {
            var words = line.Split(' ', 3);
            if (words is [CgroupLine, var name, var path]) places[name] = path;
            if (words is [KeeperLine, var id] && int.TryParse(id, CultureInfo.InvariantCulture, out var number)) keeper = number;
        }

        return new KeeperRecord(places, keeper);
    }
}
