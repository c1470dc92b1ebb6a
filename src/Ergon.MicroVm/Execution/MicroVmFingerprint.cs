using System.Globalization;
using Ergon.MicroVm.Warm;

namespace Ergon.MicroVm.Execution;

/// <summary>Tells what a microVM executor can do here, and what to do where it cannot.</summary>
internal sealed class MicroVmFingerprint(MicroVmParts parts, WarmMachines? warm)
{
    public async ValueTask<ExecutorFingerprint> TakeAsync(CancellationToken cancellationToken)
    {
        var facts = await parts.Vmm.ProbeAsync(cancellationToken);
        var problems = new List<FingerprintProblem>(facts.Problems);
        var details = new Dictionary<string, string> { ["acceleration"] = facts.Acceleration, ["cgroups"] = parts.Cgroups.Layout };
        if (warm is not null) details["warm_machines"] = $"{warm.Waiting} waiting";
        if (warm?.Problem is { } trouble)
            problems.Add(new FingerprintProblem($"No machine can be started ahead of its job: {trouble}", "Jobs run all the same, in machines started for them."));
        var booting = false;
        try
        {
            var boot = await parts.Boot.GetAsync(null, parts.Vmm.ModulesFor(null), cancellationToken);
            details["kernel"] = boot.Release;
            if (facts.Version is not null)
            {
                var time = await new CanaryGuest(parts.Options.BootTimeout, parts.Time).BootAsync(plan => parts.Vmm.LaunchAsync(plan, cancellationToken), boot, cancellationToken);
                details["boot_time"] = string.Create(CultureInfo.InvariantCulture, $"{time.TotalSeconds:0.00} s");
                booting = true;
            }
        }
        catch (IOException e)
        {
            problems.Add(new FingerprintProblem($"A guest that was tried did not boot: {e.Message}", "See whether the kernel fits the machine; the options KernelImage and KernelModules name another one."));
        }
        catch (ExecutorException e)
        {
            problems.Add(new FingerprintProblem(e.Message, "Run 'ergon vm setup', or set the options KernelImage and KernelModules."));
        }

        var network = await parts.Networks.ProbeAsync(TapProbe.Take(), cancellationToken);
        if (network is not null) problems.Add(network);
        if (!parts.Cgroups.Abilities.Memory)
            problems.Add(new FingerprintProblem("The memory of virtual machine processes cannot be limited on the host (a guest is limited by its own size).", "Run Ergon as root, or with a delegated cgroup."));
        return new ExecutorFingerprint
        {
            Executor = parts.Name,
            Available = facts.Version is not null && booting,
            Version = facts.Version,
            Capabilities = Capabilities(network is null),
            Problems = problems,
            Details = details,
        };
    }

    private ExecutorCapabilities Capabilities(bool bridge) => new()
    {
        Images = true,
        Pause = true,
        Exec = true,
        Stats = true,
        MemoryLimit = true,
        CpuLimit = true,
        PidsLimit = true,
        DiskLimit = true,
        FileSystemIsolation = true,
        Networks = bridge && parts.Options.AllowBridgeNetwork ? [NetworkMode.None, NetworkMode.Bridge] : [NetworkMode.None],
        Recovery = true,
        ExactSignals = true,
    };
}
