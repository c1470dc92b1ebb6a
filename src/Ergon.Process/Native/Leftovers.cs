using System.Runtime.Versioning;
using Ergon.Drivers;
using Ergon.Linux;
using Ergon.Process.Sandboxing;

namespace Ergon.Process.Native;

/// <summary>Finds and removes what former processes left on this system.</summary>
[SupportedOSPlatform("linux")]
internal static class Leftovers
{
    /// <summary>The keeper of an execution's sandbox.</summary>
    public static int? FindKeeper(DriverContext context)
    {
        var mark = Sandbox.Keepers.Of(context.ExecutorId, context.Request.ExecutionId.Value);
        if (KeeperRecord.Read(context.WorkDirectory).KeeperId is { } recorded) return KeeperMark.Is(recorded, mark) ? recorded : null;
        // The former process ended between making it and writing that down.
        var found = Sandbox.Keepers.Find(context.ExecutorId).FirstOrDefault(k => k.Execution == context.Request.ExecutionId.Value).Id;
        return found == 0 ? null : found;
    }

    /// <summary>The cgroup of an execution: where the former process made it, which may have been elsewhere than this one would.</summary>
    public static Cgroup? FindCgroup(DriverContext context, Protections protections)
    {
        var places = KeeperRecord.Read(context.WorkDirectory).CgroupPlaces;
        if (places.Count > 0) return protections.Cgroups.At(places);
        return protections.Cgroups.IsUsable ? protections.KeptCgroups.Find(context.ExecutorId, context.Request.ExecutionId.Value) : null;
    }

    /// <summary>Removes everything of one execution.</summary>
    public static async Task RemoveAsync(DriverContext context, Protections protections, KernelEvents events, CancellationToken cancellationToken)
    {
        if (FindKeeper(context) is { } keeper) await OtherProcess.KillAsync(keeper, events, cancellationToken);
        if (FindCgroup(context, protections) is { } cgroup) await cgroup.RemoveAsync(events, cancellationToken);
        OutsideDirectory.Find(context.WorkDirectory)?.Delete();
    }

    /// <summary>Removes everything of an executor id but the executions to keep.</summary>
    public static async Task RemoveAllAsync(
        string executorId, IReadOnlySet<ExecutionId> keep, Protections protections, KernelEvents events, CancellationToken cancellationToken)
    {
        foreach (var (id, execution) in Sandbox.Keepers.Find(executorId))
            if (!IsKept(execution)) await OtherProcess.KillAsync(id, events, cancellationToken);
        // Where there is no sandbox, a process is known by the mark that it was started with.
        var beginning = $"{NativeExecutionBuilder.MarkName}={executorId}/";
        foreach (var (id, variable) in protections.HasSandbox ? [] : ProcessTable.WithVariable(beginning))
            if (!IsKept(variable[beginning.Length..])) await OtherProcess.KillAsync(id, events, cancellationToken);
        foreach (var cgroups in (CgroupFactory[])[protections.Cgroups, protections.KeptCgroups])
        {
            foreach (var name in cgroups.IsUsable ? cgroups.List(executorId) : [])
                if (!IsKept(name)) await cgroups.Find(executorId, name).RemoveAsync(events, cancellationToken);
            cgroups.RemoveExecutor(executorId);
        }

        bool IsKept(string name) => !ExecutionId.TryParse(name, out var id) || keep.Contains(id);
    }
}
