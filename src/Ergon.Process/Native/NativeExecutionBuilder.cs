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

    /// <summary>The variable that tells to whose execution a process belongs that no sandbox holds.</summary>
    public const string MarkName = "ERGON_EXECUTION";

    // Where the keeper has the reading ends of the output.
    private const int KeptStdout = 3;
    private const int KeptStderr = 4;

    private Cgroup? _cgroup;
    private KeptPipe? _stdout;
    private KeptPipe? _stderr;
    private Sandbox? _sandbox;
    private OutsideDirectory? _outside;

    private ExecutionRequest Request => context.Request;

    private string Mark => $"{MarkName}={context.ExecutorId}/{Request.ExecutionId}";

    private CgroupFactory Cgroups => context.Outlives && protections.HasSandbox ? protections.KeptCgroups : protections.Cgroups;

    public async Task<NativeExecution> BuildAsync(CancellationToken cancellationToken)
    {
        (_stdout, _stderr) = (KeptPipe.Create(), KeptPipe.Create());
        if (Cgroups.IsUsable)
        {
            if (context.Outlives) KeeperRecord.Begin(context.WorkDirectory, Cgroups.Find(context.ExecutorId, Request.ExecutionId.Value));
            _cgroup = Cgroups.Create(context.ExecutorId, Request.ExecutionId.Value, CgroupLimits());
        }

        if (!protections.HasSandbox) _outside = OutsideDirectory.Create(context.WorkDirectory, plan.User);
        WriteScripts();
        if (protections.HasSandbox) _sandbox = await CreateSandboxAsync(cancellationToken);
        return Build();
    }

    /// <summary>Finds what a former process made, if the job was started in it; <see langword="null"/>: it was not, or is gone.</summary>
    public NativeExecution? Attach()
    {
        if (!context.Outlives || !protections.HasSandbox || Leftovers.FindKeeper(context) is not { } keeper) return null;
        _sandbox = Sandbox.Attach(keeper, SandboxSpec(), events);
        var commands = _sandbox?.FindNewCommands() ?? [];
        var refused = RefusedCommand.Load(context.WorkDirectory);
        if (commands.Count == 0 && refused is null) return null;
        _cgroup = Leftovers.FindCgroup(context, protections);
        (_stdout, _stderr) = (KeptPipe.Attach(_sandbox!.Keeper, KeptStdout), KeptPipe.Attach(_sandbox!.Keeper, KeptStderr));
        var execution = Build();
        execution.Resume(commands, refused);
        return execution;
    }

    /// <summary>Lets go of what has been opened, and leaves it as it is.</summary>
    public void Release()
    {
        _stdout?.Dispose();
        _stderr?.Dispose();
        _cgroup?.Release();
        _sandbox?.Dispose();
    }

    private NativeExecution Build()
    {
        var home = _outside?.Home ?? PrivateDirectory;
        var environment = Environment(home);
        var directory = spec.WorkingDirectory ?? home;
        return new NativeExecution(new NativeParts
        {
            Context = context,
            Spec = spec,
            Time = time,
            Mark = Mark,
            Stdout = _stdout!,
            Stderr = _stderr!,
            Outside = _outside,
            Command = new JobCommand { Arguments = spec.Arguments, Environment = environment, WorkingDirectory = directory },
            Scripts = [.. Scripts().Select(s => (s.Name, new JobCommand { Arguments = s.Arguments, Environment = environment, WorkingDirectory = directory }))],
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
        if (_sandbox is not null) await _sandbox.DestroyAsync();
        if (_cgroup is not null) await _cgroup.RemoveAsync(events, CancellationToken.None);
        Release();
        _outside?.Delete();
    }

    private SandboxSpec SandboxSpec() => new()
    {
        Directory = Path.Combine(context.WorkDirectory, "sandbox"),
        HostName = plan.HostName,
        OwnNetwork = plan.OwnNetwork,
        User = plan.User ?? UserIdentity.Nobody,
        PrivateBytes = plan.PrivateBytes,
        HiddenPaths = plan.HiddenPaths,
        Mark = Sandbox.Keepers.Of(context.ExecutorId, Request.ExecutionId.Value),
        Outlives = context.Outlives,
    };

    private async Task<Sandbox> CreateSandboxAsync(CancellationToken cancellationToken)
    {
        // In the order of KeptStdout and KeptStderr.
        var sandboxSpec = SandboxSpec() with { Kept = [_stdout!.ReadDescriptor, _stderr!.ReadDescriptor] };
        // The records and logs of every execution lie two levels above its work directory.
        var data = Path.GetDirectoryName(Path.GetDirectoryName(context.WorkDirectory));
        SandboxVolume[] scripts = Request.ProvisionScripts.Count == 0
            ? []
            : [new(ScriptsDirectory, NativePlan.ScriptsTarget, ReadOnly: true, IsDirectory: true, "provision_scripts")];
        var layout = plan.CreateLayout(data is null or "/" ? [] : [data], scripts);
        plan.Problems.ThrowIfAny(Request.ExecutionId);
        Directory.CreateDirectory(sandboxSpec.Directory);
        var sandbox = await Sandbox.CreateAsync(sandboxSpec, layout, events, cancellationToken);
        if (context.Outlives) KeeperRecord.AddKeeper(context.WorkDirectory, sandbox.KeeperId);
        return sandbox;
    }

    private string ScriptsDirectory => Path.Combine(_outside?.Path ?? context.WorkDirectory, "provision");

    private void WriteScripts()
    {
        if (Request.ProvisionScripts.Count == 0) return;
        Directory.CreateDirectory(ScriptsDirectory, Readable);
        File.SetUnixFileMode(ScriptsDirectory, Readable);
        foreach (var script in Request.ProvisionScripts)
        {
            var file = Path.Combine(ScriptsDirectory, script.Name);
            File.WriteAllBytes(file, script.Content.Span);
            File.SetUnixFileMode(file, Readable);
        }
    }

    // A file without a "#!" line cannot be executed by itself.
    private IEnumerable<(string Name, IReadOnlyList<string> Arguments)> Scripts()
    {
        foreach (var script in Request.ProvisionScripts)
        {
            var path = protections.HasSandbox ? $"{NativePlan.ScriptsTarget}/{script.Name}" : Path.Combine(ScriptsDirectory, script.Name);
            yield return (script.Name, script.Content.Span.StartsWith("#!"u8) ? [path] : ["/bin/sh", path]);
        }
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
            environment[MarkName] = Mark[(MarkName.Length + 1)..];
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
