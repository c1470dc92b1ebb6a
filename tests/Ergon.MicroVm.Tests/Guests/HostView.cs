namespace Ergon.MicroVm.Tests.Guests;

/// <summary>What the host has of machines, seen past the executor.</summary>
internal static class HostView
{
    private const string Mark = "ERGON_EXECUTION=";

    /// <summary>The processes of the machines of an executor, with the executions that they belong to.</summary>
    public static IReadOnlyList<(int ProcessId, string Execution)> MachinesOf(string executorId)
    {
        var machines = new List<(int, string)>();
        foreach (var directory in Directory.EnumerateDirectories("/proc"))
        {
            if (!int.TryParse(Path.GetFileName(directory), out var id)) continue;
            if (EnvironmentOf(directory).FirstOrDefault(v => v.StartsWith($"{Mark}{executorId}/", StringComparison.Ordinal)) is { } mark)
                machines.Add((id, mark[(Mark.Length + executorId.Length + 1)..]));
        }

        return machines;
    }

    /// <summary>The process of one machine; <see langword="null"/>: there is none.</summary>
    public static int? MachineOf(string executorId, ExecutionId executionId) => MachineOf(executorId, executionId.Value);

    /// <summary>The process of one machine, by what it is marked with; <see langword="null"/>: there is none.</summary>
    public static int? MachineOf(string executorId, string mark) =>
        MachinesOf(executorId).Where(m => m.Execution == mark).Select(m => (int?)m.ProcessId).FirstOrDefault();

    /// <summary>Everything that is left of some executors.</summary>
    public static IReadOnlyList<string> Leftovers(IReadOnlyCollection<string> executorIds) =>
    [
        .. executorIds.SelectMany(MachinesOf).Select(m => $"process {m.ProcessId} of execution {m.Execution}"),
        .. executorIds.SelectMany(CgroupsOf).Select(c => $"cgroup {c}"),
    ];

    private static IEnumerable<string> CgroupsOf(string executorId) =>
        Directory.EnumerateDirectories("/sys/fs/cgroup")
            .Prepend("/sys/fs/cgroup")
            .Select(hierarchy => Path.Combine(hierarchy, "ergon-vm", executorId))
            .Where(Directory.Exists);

    private static string[] EnvironmentOf(string directory)
    {
        try
        {
            return File.ReadAllText(Path.Combine(directory, "environ")).Split('\0');
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return []; // it has ended
        }
    }
}
