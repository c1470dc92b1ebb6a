using System.Globalization;

namespace Ergon.Linux;

/// <summary>One process, from <c>/proc/PID/stat</c>.</summary>
internal readonly record struct ProcessEntry(int Id, char State, int ParentId, int SessionId, uint Flags, long CpuTicks, long ChildCpuTicks, long Threads, long ResidentPages)
{
    private const uint ExitingFlag = 4;
    private const int WaitStatusField = 49;

    /// <summary>
    /// How it ended, as wait(2) tells it, while nobody has collected it yet; <see langword="null"/> where the kernel does not say. To
    /// whoever may not know it the kernel says 0.
    /// </summary>
    public int? WaitStatus { get; private init; }

    /// <summary>Whether it has begun to end.</summary>
    public bool IsExiting => (Flags & ExitingFlag) != 0 || State is 'Z' or 'X';

    /// <summary>Parses the text of a stat file (proc_pid_stat(5)); the name in it may contain anything.</summary>
    public static ProcessEntry? Parse(string text)
    {
        var open = text.IndexOf('(');
        var close = text.LastIndexOf(')');
        if (open < 1 || close < open || !int.TryParse(text.AsSpan(0, open).Trim(), out var id)) return null;
        var fields = text[(close + 1)..].Split(' ', StringSplitOptions.RemoveEmptyEntries);
        if (fields.Length < 22 || fields[0].Length != 1) return null;
        return int.TryParse(fields[1], out var parent) && int.TryParse(fields[3], out var session) &&
            uint.TryParse(fields[6], NumberStyles.None, null, out var flags) &&
            long.TryParse(fields[11], out var user) && long.TryParse(fields[12], out var system) &&
            long.TryParse(fields[13], out var childUser) && long.TryParse(fields[14], out var childSystem) &&
            long.TryParse(fields[17], out var threads) && long.TryParse(fields[21], out var pages)
            ? new ProcessEntry(id, fields[0][0], parent, session, flags, unchecked(user + system), unchecked(childUser + childSystem), threads, pages)
            {
                WaitStatus = fields.Length > WaitStatusField && int.TryParse(fields[WaitStatusField], out var status) ? status : null,
            }
            : null;
    }
}

/// <summary>Looks at the processes of this system.</summary>
internal static class ProcessTable
{
    // USER_HZ, which is the same on every architecture that is known here.
    private const double TicksPerSecond = 100;

    /// <summary>One process, if it exists.</summary>
    public static ProcessEntry? Find(int id) => Read($"/proc/{id}/stat");

    /// <summary>Every process that can be seen in a proc file system.</summary>
    public static IReadOnlyList<ProcessEntry> ReadAll(string proc = "/proc")
    {
        var entries = new List<ProcessEntry>();
        foreach (var directory in Directory.EnumerateDirectories(proc))
        {
            if (char.IsAsciiDigit(Path.GetFileName(directory)[0]) && Read(Path.Combine(directory, "stat")) is { } entry) entries.Add(entry);
        }

        return entries;
    }

    /// <summary>The children of a process that has one thread, oldest first.</summary>
    public static IReadOnlyList<int> ChildrenOf(int id) =>
        CgroupText.Read($"/proc/{id}/task/{id}/children") is { } children
            ? [.. children.Split(' ', StringSplitOptions.RemoveEmptyEntries).Select(int.Parse)]
            : [.. ReadAll().Where(p => p.ParentId == id).Select(p => p.Id)];

    /// <summary>The number of a process in the innermost pid namespace that it is in.</summary>
    public static int? InnermostIdOf(int id) =>
        StatusOf(id, "NSpid:") is { } numbers && int.TryParse(numbers.Split('\t')[^1], out var number) ? number : null;

    /// <summary>The processes in the pid namespace of a process.</summary>
    public static IReadOnlyList<int> InNamespaceOf(int id)
    {
        var wanted = NamespaceOf(id);
        return wanted is null ? [] : [.. ReadAll().Select(p => p.Id).Where(other => NamespaceOf(other) == wanted)];
    }

    /// <summary>A process, its descendants, everything in the session that it leads, and everything that carries a variable.</summary>
    public static IReadOnlyList<ProcessEntry> TreeOf(int leader, string variable)
    {
        var all = ReadAll();
        HashSet<int> tree = [leader, .. all.Select(p => p.Id).Where(id => Carries(id, variable))];
        int before;
        do
        {
            before = tree.Count;
            foreach (var process in all)
                if (process.SessionId == leader || tree.Contains(process.ParentId)) tree.Add(process.Id);
        }
        while (tree.Count > before);

        return [.. all.Where(p => tree.Contains(p.Id))];
    }

    /// <summary>The processes that were started with a variable the text of which begins so, and that text.</summary>
    public static IReadOnlyList<(int Id, string Variable)> WithVariable(string beginning) =>
    [
        .. ReadAll().Where(p => !p.IsExiting)
            .Select(p => (p.Id, Variable: WithVariable(p.Id, beginning) ?? ""))
            .Where(p => p.Variable.Length > 0),
    ];

    /// <summary>The variable of a process the text of which begins so.</summary>
    public static string? WithVariable(int id, string beginning) =>
        VariablesOf(id).FirstOrDefault(v => v.StartsWith(beginning, StringComparison.Ordinal));

    /// <summary>What some processes use, added up.</summary>
    public static CgroupUsage UsageOf(IReadOnlyCollection<int> ids)
    {
        var processes = ids.Select(Find).OfType<ProcessEntry>().ToList();
        return new CgroupUsage
        {
            CpuTime = TimeSpan.FromSeconds(processes.Sum(p => p.CpuTicks + p.ChildCpuTicks) / TicksPerSecond),
            MemoryBytes = processes.Sum(p => p.ResidentPages) * Environment.SystemPageSize,
            Pids = processes.Sum(p => p.Threads),
        };
    }

    /// <summary>How many threads a user has, which is what the kernel's limit of processes counts.</summary>
    public static long CountOfUser(uint uid) => ReadAll().Where(p => OwnerOf(p.Id) == uid).Sum(p => p.Threads);

    // What a process was started with; a daemon that leaves session and parent behind still has it, unless it wants to hide.
    private static bool Carries(int id, string variable) => VariablesOf(id).Contains(variable);

    private static string[] VariablesOf(int id) => (CgroupText.Read($"/proc/{id}/environ") ?? "").Split('\0');

    /// <summary>The user of a process, by number.</summary>
    public static uint? OwnerOf(int id) => StatusOf(id, "Uid:") is { } numbers && uint.TryParse(numbers.Split('\t')[0], out var uid) ? uid : null;

    private static string? StatusOf(int id, string name)
    {
        foreach (var line in (CgroupText.Read($"/proc/{id}/status") ?? "").Split('\n'))
            if (line.StartsWith(name, StringComparison.Ordinal)) return line[name.Length..].Trim();
        return null;
    }

    private static string? NamespaceOf(int id)
    {
        try
        {
            return new FileInfo($"/proc/{id}/ns/pid").LinkTarget;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return null;
        }
    }

    private static ProcessEntry? Read(string path)
    {
        try
        {
            return File.Exists(path) ? ProcessEntry.Parse(KernelFile.ReadText(path)) : null;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return null; // it ended while it was being read
        }
    }
}
