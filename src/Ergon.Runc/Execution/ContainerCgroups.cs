using System.Runtime.Versioning;
using Ergon.Linux;

namespace Ergon.Runc.Execution;

/// <summary>
/// The cgroups of containers. They are made here, with their limits, so that they can be removed whatever becomes of the runtime, which then
/// only joins them.
/// </summary>
[SupportedOSPlatform("linux")]
internal sealed class ContainerCgroups
{
    // What is left of the first family when its executor has ended belongs to nobody; executions of the second outlive their executor.
    private const string BriefFamily = "ergon-container";
    private const string KeptFamily = "ergon-container-kept";

    private readonly CgroupHierarchies _hierarchies = CgroupHierarchies.ReadOwn();
    private readonly CgroupFactory _brief;
    private readonly CgroupFactory _kept;

    public ContainerCgroups()
    {
        _brief = CgroupFactory.Detect(_hierarchies, BriefFamily, everywhere: true);
        _kept = _brief.InFamily(KeptFamily);
    }

    public CgroupAbilities Abilities => _brief.Abilities;

    public bool IsUsable => _brief.IsUsable;

    public string Layout => _brief.Layout;

    /// <summary>The cgroup of an execution, made or not.</summary>
    public Cgroup Find(string executorId, ExecutionId id, bool outlives) => Family(outlives).Find(executorId, id.Value);

    public Cgroup Create(string executorId, ExecutionId id, bool outlives, CgroupLimits limits) => Family(outlives).Create(executorId, id.Value, limits);

    /// <summary>The cgroup that lies at these places, wherever this process is itself.</summary>
    public Cgroup At(IReadOnlyDictionary<string, string> places) => _brief.At(places);

    /// <summary>What the runtime is told: in v1 relative to its own cgroup of each hierarchy, in v2 to the whole hierarchy.</summary>
    public string PathFor(Cgroup cgroup, string executorId, ExecutionId id, bool outlives) =>
        cgroup.Places.TryGetValue(CgroupV2.Place, out var unified) && _hierarchies.V2Root is { } root
            ? unified[root.TrimEnd('/').Length..]
            : $"{(outlives ? KeptFamily : BriefFamily)}/{executorId}/{id}";

    public Task RemoveAbandonedAsync(KernelEvents events, CancellationToken cancellationToken) => _brief.RemoveAbandonedAsync(events, cancellationToken);

    /// <summary>Removes those of an executor but the executions to keep.</summary>
    public async Task RemoveAllAsync(string executorId, IReadOnlySet<ExecutionId> keep, KernelEvents events, CancellationToken cancellationToken)
    {
        foreach (var family in IsUsable ? [_brief, _kept] : Array.Empty<CgroupFactory>())
        {
            foreach (var name in family.List(executorId))
                if (ExecutionId.TryParse(name, out var id) && !keep.Contains(id)) await family.Find(executorId, name).RemoveAsync(events, cancellationToken);
            family.RemoveExecutor(executorId);
        }
    }

    /// <summary>Removes the executor's own directories, unless executions are left in them.</summary>
    public void RemoveExecutor(string executorId)
    {
        _brief.RemoveExecutor(executorId);
        _kept.RemoveExecutor(executorId);
    }

    private CgroupFactory Family(bool outlives) => outlives ? _kept : _brief;
}
