using Ergon.Linux;
using Ergon.MicroVm.Guest.Protocol;
using Ergon.Process.Native;

namespace Ergon.GuestAgent.Job;

/// <summary>A job that can be started: everything is mounted, made and checked.</summary>
internal sealed record ConfiguredJob
{
    private const long LeastMemory = 4 * 1024 * 1024;
    private const long ReservedMemory = 8 * 1024 * 1024;
    private const int ReservedPart = 16;
    private const string CgroupDirectory = "/sys/fs/cgroup/job";

    public required JobNamespaces Namespaces { get; init; }

    public required CgroupV2 Cgroup { get; init; }

    public required GuestLauncher Launcher { get; init; }

    public required JobCommand Command { get; init; }

    public required IReadOnlyList<(string Name, JobCommand Command)> Scripts { get; init; }

    /// <summary>How many outputs there are to collect.</summary>
    public required int Outputs { get; init; }

    /// <summary>Does everything that comes before the start.</summary>
    /// <exception cref="RequestException">What is asked for does not fit this image.</exception>
    public static ConfiguredJob Create(GuestConfiguration configuration, KernelEvents events)
    {
        GuestNetworking.Configure(configuration.Hostname, configuration.Network);
        var root = new JobRoot(configuration);
        var user = FindUser(configuration.User, root.Users);
        var capabilities = Capabilities.Parse(configuration.Capabilities);
        var mounts = root.PrepareMounts(user);
        JobNamespaces namespaces;
        using (var script = new LaunchScript())
        {
            new JobRootScript(script).Write(mounts, configuration.WorkingDirectory, configuration.ReadOnlyRoot);
            namespaces = JobNamespaces.Create(script, events);
        }

        foreach (var mount in mounts) mount.Handle.Dispose();
        var cgroup = new CgroupV2(CgroupDirectory);
        cgroup.Create(new CgroupLimits(Math.Min(configuration.Memory ?? long.MaxValue, AvailableMemory()), configuration.Cpu, configuration.Pids));
        var environment = Environment(configuration, root.Users.HomeOf(user.Uid));
        return new ConfiguredJob
        {
            Namespaces = namespaces,
            Cgroup = cgroup,
            Launcher = new GuestLauncher(events, namespaces, CgroupDirectory, user, capabilities),
            Command = new JobCommand { Arguments = configuration.Arguments, Environment = environment, WorkingDirectory = configuration.WorkingDirectory },
            Scripts = [.. root.ScriptCommands().Select(s => (s.Name, new JobCommand { Arguments = s.Arguments, Environment = environment, WorkingDirectory = configuration.WorkingDirectory }))],
            Outputs = configuration.Outputs.Count,
        };
    }

    // A machine that has run out of memory first drops the pages of the programs it runs and reads them again and again; a job that runs into
    // a limit of its own is killed at once. What is left is for the agent and the kernel.
    private static long AvailableMemory()
    {
        var available = (CgroupText.Read("/proc/meminfo") ?? "").Split('\n').FirstOrDefault(l => l.StartsWith("MemAvailable:", StringComparison.Ordinal))?
            .Split(' ', StringSplitOptions.RemoveEmptyEntries);
        var bytes = available is { Length: > 1 } && long.TryParse(available[1], out var kibibytes) ? kibibytes * 1024 : throw new IOException("The kernel does not say how much memory there is.");
        return Math.Max(LeastMemory, bytes - (bytes / ReservedPart) - ReservedMemory);
    }

    private static UserIdentity FindUser(string name, UserDatabase users) =>
        users.Find(name.Length == 0 ? "0" : name) ??
        throw new RequestException($"engine_spec.params.user: is '{name}', which is no user of the image; give name, name:group, uid or uid:gid.");

    private static Dictionary<string, string> Environment(GuestConfiguration configuration, string? home)
    {
        var environment = new Dictionary<string, string>
        {
            ["PATH"] = JobCommand.DefaultPath,
            ["HOME"] = home is { Length: > 0 } ? home : "/",
            ["HOSTNAME"] = configuration.Hostname,
        };
        Add(environment, configuration.Environment);
        return environment;
    }

    /// <summary>Sets variables given as <c>NAME=value</c>.</summary>
    public static void Add(Dictionary<string, string> environment, IEnumerable<string> variables)
    {
        foreach (var variable in variables)
        {
            var equals = variable.IndexOf('=');
            if (equals > 0) environment[variable[..equals]] = variable[(equals + 1)..];
        }
    }
}
