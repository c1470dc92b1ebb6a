using System.Runtime.Versioning;
using Ergon.Drivers;
using Ergon.Linux;
using Ergon.Process.Sandboxing;

namespace Ergon.Process.Native;

/// <summary>Makes, step by step, everything that an execution needs, and can undo what it has made.</summary>
[SupportedOSPlatform("linux")]
internal sealed class NativeExecutionBuilder(
    DriverContext context, ProcessSpec spec, NativePlan plan, Protections protections, KernelEvents events, TimeProvider time)
{
    private const UnixFileMode Readable = (UnixFileMode)0x1ed; // 0755
    private const string PrivateDirectory = "/tmp";

    private const string MarkName = "ERGON_EXECUTION";

    private Cgroup? _cgroup;
    private Sandbox? _sandbox;
    private OutsideDirectory? _outside;

    private ExecutionRequest Request => context.Request;

    private string Mark => $"{context.ExecutorId}/{Request.ExecutionId}";

    public async Task<NativeExecution> BuildAsync(CancellationToken cancellationToken)
    {
        if (protections.Cgroups.IsUsable) _cgroup = protections.Cgroups.Create(context.ExecutorId, Request.ExecutionId.Value, CgroupLimits());
        if (!protections.HasSandbox) _outside = OutsideDirectory.Create(context.WorkDirectory, plan.User);
        var scripts = WriteScripts();
        if (protections.HasSandbox) _sandbox = await CreateSandboxAsync(cancellationToken);
        var home = _outside?.Home ?? PrivateDirectory;
        var environment = Environment(home);
        var directory = spec.WorkingDirectory ?? home;
        return new NativeExecution(new NativeParts
        {
            Context = context,
            Spec = spec,
            Time = time,
            Mark = $"{MarkName}={Mark}",
            Outside = _outside,
            Command = new JobCommand { Arguments = spec.Arguments, Environment = environment, WorkingDirectory = directory },
            Scripts = [.. scripts.Select(s => (s.Name, new JobCommand { Arguments = s.Arguments, Environment = environment, WorkingDirectory = directory }))],
            Launcher = new JobLauncher
            {
                Events = events,
                Sandbox = _sandbox,
                Cgroup = _cgroup,
                User = plan.User,
                Limits = LimitsWithoutCgroups(),
                Directory = context.WorkDirectory,
            },
        });
    }

    /// <summary>Removes what has been made so far.</summary>
    public async Task UndoAsync()
    {
        if (_sandbox is not null) await _sandbox.DisposeAsync();
        if (_cgroup is not null) await _cgroup.RemoveAsync(events, CancellationToken.None);
        _outside?.Delete();
    }

    private async Task<Sandbox> CreateSandboxAsync(CancellationToken cancellationToken)
    {
        var sandboxSpec = new SandboxSpec
        {
            Directory = Directory.CreateDirectory(Path.Combine(context.WorkDirectory, "sandbox")).FullName,
            HostName = plan.HostName,
            OwnNetwork = plan.OwnNetwork,
            User = plan.User ?? UserIdentity.Nobody,
            PrivateBytes = plan.PrivateBytes,
            HiddenPaths = plan.HiddenPaths,
        };
        // The records and logs of every execution lie two levels above its work directory.
        var data = Path.GetDirectoryName(Path.GetDirectoryName(context.WorkDirectory));
        SandboxVolume[] scripts = Request.ProvisionScripts.Count == 0
            ? []
            : [new(ScriptsDirectory, NativePlan.ScriptsTarget, ReadOnly: true, IsDirectory: true, "provision_scripts")];
        var layout = plan.CreateLayout(data is null or "/" ? [] : [data], scripts);
        plan.Problems.ThrowIfAny(Request.ExecutionId);
        return await Sandbox.CreateAsync(sandboxSpec, layout, events, cancellationToken);
    }

    private string ScriptsDirectory => Path.Combine(_outside?.Path ?? context.WorkDirectory, "provision");

    // A file without a "#!" line cannot be executed by itself.
    private List<(string Name, IReadOnlyList<string> Arguments)> WriteScripts()
    {
        var scripts = new List<(string, IReadOnlyList<string>)>();
        if (Request.ProvisionScripts.Count == 0) return scripts;
        Directory.CreateDirectory(ScriptsDirectory, Readable);
        File.SetUnixFileMode(ScriptsDirectory, Readable);
        foreach (var script in Request.ProvisionScripts)
        {
            var file = Path.Combine(ScriptsDirectory, script.Name);
            File.WriteAllBytes(file, script.Content.Span);
            File.SetUnixFileMode(file, Readable);
            var path = protections.HasSandbox ? $"{NativePlan.ScriptsTarget}/{script.Name}" : file;
            scripts.Add((script.Name, script.Content.Span.StartsWith("#!"u8) ? [path] : ["/bin/sh", path]));
        }

        return scripts;
    }

    private Dictionary<string, string> Environment(string home)
    {
        var environment = new Dictionary<string, string>
        {
            ["PATH"] = JobCommand.DefaultPath,
            ["HOME"] = home,
            ["HOSTNAME"] = _sandbox is null ? System.Environment.MachineName : plan.HostName,
        };
        foreach (var (name, value) in spec.Environment) environment[name] = value;
        foreach (var (name, value) in Request.Environment) environment[name] = value;
        if (_sandbox is null)
        {
            environment.TryAdd("TMPDIR", home);
            environment[MarkName] = Mark;
        }

        return environment;
    }

    private CgroupLimits CgroupLimits()
    {
        var (resources, can) = (Request.Resources, protections.Cgroups.Abilities);
        return new CgroupLimits(can.Memory ? resources.Memory : null, can.Cpu ? resources.Cpu : null, can.Pids ? resources.Pids : null);
    }

    // What there is where cgroups cannot be made; the fingerprint says that it is weaker.
    private ProcessLimits? LimitsWithoutCgroups()
    {
        if (!SpawnGate.IsSupported) return null;
        var can = protections.Cgroups.Abilities;
        var memory = can.Memory ? null : Request.Resources.Memory;
        // The kernel counts everything that the user has, not only what belongs to the job.
        long? processes = can.Pids ? null : ProcessTable.CountOfUser(plan.User?.Uid ?? Libc.EffectiveUserId()) + Request.Resources.Pids;
        return memory is null && processes is null ? null : new ProcessLimits(memory, processes);
    }
}
