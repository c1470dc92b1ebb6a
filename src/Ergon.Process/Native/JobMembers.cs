using System.Runtime.Versioning;
using Ergon.Linux;
using Ergon.Process.Sandboxing;

namespace Ergon.Process.Native;

/// <summary>All processes of one execution, found by whatever holds them together here: a sandbox, a cgroup, or a session and a mark.</summary>
/// <param name="launcher">What the processes are started in.</param>
/// <param name="mark">The variable that each of them has in its environment where there is no sandbox.</param>
[SupportedOSPlatform("linux")]
internal sealed class JobMembers(JobLauncher launcher, string mark)
{
    private const int StopSignal = 19;
    private const int ContinueSignal = 18;

    private bool _stoppedBySignal;
    private TimeSpan _cpuTime;

    /// <summary>The main process; it leads a session.</summary>
    public ChildProcess? Leader { get; set; }

    /// <summary>Kills every process and completes when they are dead.</summary>
    public async Task KillAsync()
    {
        if (launcher.Sandbox is { } sandbox)
        {
            sandbox.Kill();
            // While the keeper knows how the commands ended, the namespace does not end: each process is waited for by itself.
            while (launcher.Cgroup is null && InSandbox(sandbox).Where(id => ProcessTable.Find(id) is { State: not ('Z' or 'X') }).ToArray() is { Length: > 0 } inside)
                foreach (var id in inside) await OtherProcess.KillAsync(id, launcher.Events, CancellationToken.None);
        }
        else if (Leader is { } leader)
        {
            while (ProcessTable.TreeOf(leader.Id, mark).Where(p => p.State is not ('Z' or 'X')).ToArray() is { Length: > 0 } tree)
                foreach (var process in tree) await OtherProcess.KillAsync(process.Id, launcher.Events, CancellationToken.None);
        }

        if (launcher.Cgroup is { } cgroup) await cgroup.KillAsync(launcher.Events, CancellationToken.None);
    }

    /// <summary>Stops every process.</summary>
    public async Task FreezeAsync(CancellationToken cancellationToken)
    {
        if (launcher.Cgroup is { } cgroup && await cgroup.FreezeAsync(launcher.Events, cancellationToken)) return;
        _stoppedBySignal = true;
        // Again and again: a process may have forked before it was stopped.
        HashSet<int> stopped = [];
        while (Ids().Where(id => !stopped.Contains(id)).ToArray() is { Length: > 0 } ids)
        {
            foreach (var id in ids)
            {
                OtherProcess.Signal(id, StopSignal);
                stopped.Add(id);
            }
        }
    }

    /// <summary>Lets every process go on.</summary>
    public void Thaw()
    {
        launcher.Cgroup?.Thaw();
        if (!_stoppedBySignal) return;
        foreach (var id in Ids()) OtherProcess.Signal(id, ContinueSignal);
        _stoppedBySignal = false;
    }

    /// <summary>Finds out whether a former process has stopped them.</summary>
    public bool FindStopped()
    {
        if (launcher.Cgroup?.IsFrozen == true) return true;
        return _stoppedBySignal = Ids().Any(id => ProcessTable.Find(id) is { State: 'T' });
    }

    /// <summary>What they use.</summary>
    public CgroupUsage ReadUsage()
    {
        var usage = launcher.Cgroup?.ReadUsage() is { CpuTime: not null, MemoryBytes: not null } measured ? measured : ProcessTable.UsageOf(Ids());
        // What is added up from processes falls when one of them ends.
        _cpuTime = usage.CpuTime is { } time && time > _cpuTime ? time : _cpuTime;
        return usage with { CpuTime = _cpuTime };
    }

    // Not the init process of the sandbox, which must notice when it is to end.
    private static IReadOnlyList<int> InSandbox(Sandbox sandbox) =>
        [.. ProcessTable.InNamespaceOf(sandbox.InitId).Where(id => ProcessTable.Find(id) is { } p && p.SessionId != sandbox.InitId)];

    private IReadOnlyList<int> Ids()
    {
        if (launcher.Cgroup is { } cgroup) return cgroup.ProcessIds();
        if (launcher.Sandbox is { } sandbox) return InSandbox(sandbox);
        return Leader is { } leader ? [.. ProcessTable.TreeOf(leader.Id, mark).Select(p => p.Id)] : [];
    }
}
