using System.Globalization;

namespace Ergon.Benchmarks;

/// <summary>Processes whose processor time is counted together with that of everything they start: a control group (version 2 counts without any controller).</summary>
internal sealed class CpuGroup : IDisposable
{
    private readonly string _parent;
    private readonly string _path;

    private CpuGroup(string parent, string path) => (_parent, _path) = (parent, path);

    /// <summary>The processor time until now.</summary>
    public TimeSpan Usage
    {
        get
        {
            var line = File.ReadLines(Path.Combine(_path, "cpu.stat")).First(l => l.StartsWith("usage_usec ", StringComparison.Ordinal));
            return TimeSpan.FromMicroseconds(long.Parse(line.AsSpan("usage_usec ".Length), CultureInfo.InvariantCulture));
        }
    }

    /// <summary>Moves processes into a group of their own; <see langword="null"/>: this may not be done here.</summary>
    public static CpuGroup? TryMake(string name, IEnumerable<int> processes)
    {
        var mount = File.ReadLines("/proc/self/mounts").Select(l => l.Split(' ')).FirstOrDefault(f => f[2] == "cgroup2")?[1];
        if (mount is null) return null;
        try
        {
            var group = new CpuGroup(mount, Directory.CreateDirectory(Path.Combine(mount, $"{name}-{Environment.ProcessId}")).FullName);
            foreach (var process in processes) File.WriteAllText(Path.Combine(group._path, "cgroup.procs"), $"{process}");
            return group;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            Console.Error.WriteLine($"The processor time of others is not counted: {e.Message}");
            return null;
        }
    }

    /// <summary>The Docker Engine at a socket, which has its <c>docker.pid</c> beside it, and everything it has started.</summary>
    public static CpuGroup? TryMakeOfEngine(string host)
    {
        var pidFile = Path.Combine(Path.GetDirectoryName(new Uri(host).AbsolutePath)!, "docker.pid");
        return File.Exists(pidFile) ? TryMake("ergon-benchmark-engine", WithDescendants(int.Parse(File.ReadAllText(pidFile), CultureInfo.InvariantCulture))) : null;
    }

    public void Dispose()
    {
        try
        {
            foreach (var process in File.ReadAllLines(Path.Combine(_path, "cgroup.procs"))) File.WriteAllText(Path.Combine(_parent, "cgroup.procs"), process);
            Directory.Delete(_path);
        }
        catch (IOException e)
        {
            Console.Error.WriteLine($"{_path} stays: {e.Message}");
        }
    }

    private static IEnumerable<int> WithDescendants(int process) =>
        Directory.EnumerateDirectories($"/proc/{process}/task")
            .SelectMany(task => File.ReadAllText(Path.Combine(task, "children")).Split(' ', StringSplitOptions.RemoveEmptyEntries))
            .SelectMany(child => WithDescendants(int.Parse(child, CultureInfo.InvariantCulture)))
            .Prepend(process);
}
