using System.Runtime.Versioning;
using Ergon.Linux;
using Ergon.Process.Sandboxing;

namespace Ergon.Process.Native;

/// <summary>Which protections can be had here: found out by trying, once.</summary>
[SupportedOSPlatform("linux")]
internal sealed record Protections(CgroupFactory Cgroups, string? SandboxProblem, string? SandboxRemedy)
{
    private const string RootRemedy = "Run Ergon as root, or use the docker executor.";

    private const string KeptFamily = "ergon-kept";
    private const int ProbedExitCode = 77;

    private static readonly TimeSpan CleanupTime = TimeSpan.FromSeconds(5);

    public bool HasSandbox => SandboxProblem is null;

    /// <summary>Whether this process may become other users.</summary>
    public static bool IsRoot => Libc.EffectiveUserId() == 0;

    /// <summary>Where the cgroups of executions are that outlive this process; what is abandoned in the others belongs to nobody.</summary>
    public CgroupFactory KeptCgroups => Cgroups.InFamily(KeptFamily);

    public static async Task<Protections> DetectAsync(KernelEvents events)
    {
        var cgroups = CgroupFactory.Detect(CgroupHierarchies.ReadOwn());
        await RemoveAbandonedAsync(cgroups, events);
        if (!IsRoot) return new(cgroups, "Ergon does not run as root, so it cannot make namespaces.", RootRemedy);
        var directory = Directory.CreateTempSubdirectory("ergon-probe-").FullName;
        try
        {
            var spec = new SandboxSpec { Directory = directory, HostName = "probe", OwnNetwork = true, User = UserIdentity.Nobody, Mark = Sandbox.Keepers.Of("probe", "probe") };
            using var sandbox = await Sandbox.CreateAsync(spec, SandboxLayout.Create([], [], new RequestProblems()), events, CancellationToken.None);
            var exit = await ProbeAsync(sandbox, directory, events);
            await sandbox.DestroyAsync();
            return exit == new ChildExit(ProbedExitCode, null)
                ? new(cgroups, null, null)
                : new(cgroups, "How a process in a sandbox ends cannot be seen.", "Give Ergon CAP_SYS_PTRACE, or use the docker executor.");
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return new(cgroups, $"A sandbox cannot be made: {e.Message}.", "Give Ergon CAP_SYS_ADMIN (in a container: --privileged), or use the docker executor.");
        }
        finally
        {
            Directory.Delete(directory, recursive: true);
        }
    }

    private static async Task<ChildExit> ProbeAsync(Sandbox sandbox, string directory, KernelEvents events)
    {
        using var nullDevice = Descriptors.Open("/dev/null", Libc.ReadWrite);
        var launcher = new JobLauncher { Events = events, Sandbox = sandbox, User = UserIdentity.Nobody, Directory = directory };
        var command = new JobCommand { Arguments = ["/bin/sh", "-c", $"exit {ProbedExitCode}"], Environment = new Dictionary<string, string>(), WorkingDirectory = "/" };
        var number = Descriptors.Number(nullDevice);
        var launched = await launcher.StartKeptAsync(command, [number, number, number]);
        if (launched.Process is not { } process) throw new IOException(launched.Message);
        using (process) return await process.Exit;
    }

    // What was killed could not clean up, and with an executor id of its own nobody else would.
    private static async Task RemoveAbandonedAsync(CgroupFactory cgroups, KernelEvents events)
    {
        using var deadline = new CancellationTokenSource(CleanupTime);
        try
        {
            await cgroups.RemoveAbandonedAsync(events, deadline.Token);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or OperationCanceledException)
        {
            // The next one tries again.
        }
    }

    /// <summary>What is missing or weaker, and what follows from that.</summary>
    public IReadOnlyList<FingerprintProblem> Problems()
    {
        var problems = new List<FingerprintProblem>();
        if (!HasSandbox)
        {
            problems.Add(new(
                $"{SandboxProblem} Jobs see and can change what their user can on this host, use its network, see its processes, and one that changes its session and its environment can outlive its execution.",
                SandboxRemedy!));
        }

        const string CgroupRemedy = "Run Ergon where it may make cgroups: as root, or in a systemd unit with Delegate=yes.";
        var abilities = Cgroups.Abilities;
        if (!abilities.Memory) problems.Add(new("There is no memory cgroup: a memory limit is one on the address space of each process, and running out of it is not told apart.", CgroupRemedy));
        if (!abilities.Pids) problems.Add(new("There is no pids cgroup: the limit of processes is one on the processes of the job's user.", CgroupRemedy));
        if (!abilities.Cpu) problems.Add(new("There is no cpu cgroup: a CPU limit is refused.", CgroupRemedy));
        if (!abilities.Accounting) problems.Add(new("There is no accounting cgroup: resource use is added up from the processes that run at that moment.", CgroupRemedy));
        if (!abilities.Freeze) problems.Add(new("There is no cgroup freezer: pausing stops each process with SIGSTOP, which its parent can notice.", CgroupRemedy));
        return problems;
    }

    public ExecutorCapabilities Capabilities(ProcessOptions options) => new()
    {
        Pause = true,
        Exec = true,
        Stats = true,
        MemoryLimit = Cgroups.Abilities.Memory,
        CpuLimit = Cgroups.Abilities.Cpu,
        PidsLimit = Cgroups.Abilities.Pids,
        DiskLimit = HasSandbox,
        FileSystemIsolation = HasSandbox,
        WritableInputs = true,
        Networks = [.. HasSandbox ? [NetworkMode.None] : Array.Empty<NetworkMode>(), .. options.AllowHostNetwork ? [NetworkMode.Host] : Array.Empty<NetworkMode>()],
        ExactSignals = true,
        Recovery = HasSandbox,
    };
}
