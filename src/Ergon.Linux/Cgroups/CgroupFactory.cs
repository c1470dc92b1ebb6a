namespace Ergon.Linux;

/// <summary>Makes, finds and removes the cgroups of an executor, wherever on this system cgroups can be made.</summary>
internal sealed class CgroupFactory
{
    private const int MaxAttempts = 5;
    private static readonly string[] V1Controllers = ["memory", "pids", "cpu", "cpuacct", "blkio"];
    private static readonly string[] V2Controllers = ["memory", "pids", "cpu", "io"];

    private readonly string _family;
    private readonly IReadOnlyDictionary<string, string> _v1;
    private readonly string? _v2;

    private CgroupFactory(string family, IReadOnlyDictionary<string, string> v1, string? v2, CgroupAbilities abilities) =>
        (_family, _v1, _v2, Abilities) = (family, v1, v2, abilities);

    /// <summary>What can be limited and measured.</summary>
    public CgroupAbilities Abilities { get; }

    /// <summary>Whether cgroups can be made at all.</summary>
    public bool IsUsable => _v1.Count > 0 || _v2 is not null;

    /// <summary>The layout in words: <c>v1</c>, <c>v2</c>, <c>v1 with v2 for freezing</c>, <c>none</c>.</summary>
    public string Layout => (_v1.Count, _v2) switch
    {
        (0, null) => "none",
        (0, _) => "v2",
        (_, null) => "v1",
        _ => "v1 with v2 for freezing",
    };

    /// <summary>Finds the places where this process may make cgroups.</summary>
    /// <param name="hierarchies">Where cgroups are.</param>
    /// <param name="family">
    /// The directory above those of the executors. Drivers whose executions outlive the process have another one than those whose
    /// executions are abandoned when it ends.
    /// </param>
    /// <param name="everywhere">Whether to make them in every v1 hierarchy, as container runtimes do, and not only in those that are used here.</param>
    public static CgroupFactory Detect(CgroupHierarchies hierarchies, string family = "ergon", bool everywhere = false)
    {
        var v1 = (everywhere && V1Controllers.Any(hierarchies.V1.ContainsKey) ? hierarchies.V1.Keys : V1Controllers)
            .Where(c => hierarchies.V1.TryGetValue(c, out var own) && CanMakeIn(own, family))
            .ToDictionary(c => c, c => hierarchies.V1[c]);
        if (v1.Count > 0)
        {
            // Container runtimes make one at the top of this hierarchy, wherever they are in it themselves: what they leave there is removed with it.
            var freezer = (everywhere ? hierarchies.V2Root : hierarchies.V2) is { } place && CanMakeIn(place, family) ? place : null;
            return new(family, v1, freezer, new(Has("memory"), Has("cpu"), Has("pids"), Has("cpuacct"), freezer is not null));

            bool Has(string controller) => v1.ContainsKey(controller);
        }

        // At the top, where container runtimes make theirs too: what is below it may end with somebody's session.
        string? withoutControllers = null;
        foreach (var directory in FromTheTop(hierarchies))
        {
            if (!CanMakeIn(directory, family)) continue;
            withoutControllers ??= directory;
            if (HoldsProcesses(directory)) continue;
            var given = GiveControllers(directory);
            if (given.Contains("pids") || given.Contains("memory"))
                return new(family, v1, directory, new(given.Contains("memory"), given.Contains("cpu"), given.Contains("pids"), true, true));
        }

        // Even one without controllers holds the processes of an execution together, freezes them, and counts their CPU time.
        return new(family, v1, withoutControllers, new(false, false, false, withoutControllers is not null, withoutControllers is not null));
    }

    /// <summary>Makes the cgroup of an execution.</summary>
    public Cgroup Create(string executorId, string executionId, CgroupLimits limits)
    {
        var cgroup = Find(executorId, executionId);
        for (var attempt = 1; ; attempt++)
        {
            try
            {
                Create(cgroup, executorId, executionId, limits);
                return cgroup;
            }
            catch (DirectoryNotFoundException) when (attempt < MaxAttempts)
            {
                // Another executor, or the end of another execution, has just removed the empty directories above.
                cgroup.Release();
            }
            catch
            {
                cgroup.Release();
                RemoveEmpty(executorId, executionId);
                throw;
            }
        }
    }

    private void Create(Cgroup cgroup, string executorId, string executionId, CgroupLimits limits)
    {
        if (cgroup is not CgroupV2 v2)
        {
            ((CgroupV1)cgroup).Create(limits);
            return;
        }

        Directory.CreateDirectory(Path.Combine(_v2!, _family, executorId));
        GiveControllers(Path.Combine(_v2!, _family));
        GiveControllers(Path.Combine(_v2!, _family, executorId));
        v2.Create(limits);
    }

    /// <summary>The executions of which cgroups are there.</summary>
    public IReadOnlyList<string> List(string executorId) =>
    [
        .. Places().Select(place => Path.Combine(place, _family, executorId))
            .Where(Directory.Exists)
            .SelectMany(directory => Directory.GetDirectories(directory).Select(d => Path.GetFileName(d)!))
            .Distinct(),
    ];

    /// <summary>The cgroup of an execution, made or not.</summary>
    public Cgroup Find(string executorId, string executionId)
    {
        var v2 = _v2 is null ? null : new CgroupV2(Path.Combine(_v2, _family, executorId, executionId));
        return _v1.Count > 0 ? new CgroupV1(DirectoriesOf(executorId, executionId), _v1, v2) : v2 ?? throw new InvalidOperationException("There are no cgroups here.");
    }

    /// <summary>The cgroup that lies at these places, wherever this process is itself.</summary>
    public Cgroup At(IReadOnlyDictionary<string, string> places)
    {
        if (places.TryGetValue(CgroupV2.Place, out var unified)) return new CgroupV2(unified);
        var v1 = places.Where(p => p.Key != CgroupV1.FreezerPlace).ToDictionary();
        return new CgroupV1(v1, _v1, places.TryGetValue(CgroupV1.FreezerPlace, out var freezer) ? new CgroupV2(freezer) : null);
    }

    /// <summary>The same places with another directory above those of the executors.</summary>
    public CgroupFactory InFamily(string family) => new(family, _v1, _v2, Abilities);

    /// <summary>Removes the executor's own directories, unless executions are left in them.</summary>
    public void RemoveExecutor(string executorId)
    {
        foreach (var place in Places())
        {
            TryRemove(Path.Combine(place, _family, executorId));
            TryRemove(Path.Combine(place, _family));
        }
    }

    /// <summary>Removes, with everything in them, the cgroups of executors that have ended without doing so.</summary>
    public async Task RemoveAbandonedAsync(KernelEvents events, CancellationToken cancellationToken)
    {
        foreach (var family in Places().Select(place => Path.Combine(place, _family)).Where(Directory.Exists))
        {
            foreach (var executor in Subdirectories(family))
            {
                foreach (var execution in Subdirectories(executor))
                {
                    using var abandoned = OwnedDirectory.TakeAbandoned(execution);
                    if (abandoned is null) continue;
                    foreach (var id in CgroupText.ProcessIds(CgroupText.Read(Path.Combine(execution, "cgroup.procs"))))
                        await OtherProcess.KillAsync(id, events, cancellationToken);
                    TryRemove(execution);
                }

                TryRemove(executor);
            }

            TryRemove(family);
        }
    }

    private static string[] Subdirectories(string directory)
    {
        try
        {
            return Directory.GetDirectories(directory);
        }
        catch (DirectoryNotFoundException)
        {
            return []; // removed meanwhile
        }
    }

    private void RemoveEmpty(string executorId, string executionId)
    {
        foreach (var place in Places()) TryRemove(Path.Combine(place, _family, executorId, executionId));
    }

    private IEnumerable<string> Places() => _v2 is null ? _v1.Values.Distinct() : _v1.Values.Append(_v2).Distinct();

    private Dictionary<string, string> DirectoriesOf(string executorId, string executionId) =>
        _v1.ToDictionary(pair => pair.Key, pair => Path.Combine(pair.Value, _family, executorId, executionId));

    private static IEnumerable<string> FromTheTop(CgroupHierarchies hierarchies)
    {
        var directories = new Stack<string>();
        for (var directory = hierarchies.V2; directory is not null && directory.Length >= hierarchies.V2Root!.Length; directory = Path.GetDirectoryName(directory)) directories.Push(directory);
        return directories;
    }

    // Such a cgroup cannot give memory to its children, and giving it the other controllers makes it one of threads, in which no limit can be set
    // ("no internal processes", cgroups(7)). The root, which alone has no type, may hold processes.
    private static bool HoldsProcesses(string directory) =>
        File.Exists(Path.Combine(directory, "cgroup.type")) && CgroupText.Read(Path.Combine(directory, "cgroup.procs")) is { Length: > 0 };

    private static bool CanMakeIn(string directory, string family)
    {
        var probe = Path.Combine(directory, $"{family}-probe-{Guid.NewGuid():n}");
        try
        {
            Directory.CreateDirectory(probe);
            Directory.Delete(probe);
            return true;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return false;
        }
    }

    // Returns the controllers that the children of the directory then have.
    private static string[] GiveControllers(string directory)
    {
        var file = Path.Combine(directory, "cgroup.subtree_control");
        foreach (var controller in V2Controllers)
        {
            try
            {
                File.WriteAllText(file, $"+{controller}");
            }
            catch (Exception e) when (e is IOException or UnauthorizedAccessException)
            {
                // Not there, not ours to give, or processes are in the way; what counts is read below.
            }
        }

        return (CgroupText.Read(file) ?? "").Split((char[])[' ', '\n'], StringSplitOptions.RemoveEmptyEntries);
    }

    private static void TryRemove(string directory)
    {
        try
        {
            Directory.Delete(directory);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            // In use by another execution or executor, or not there.
        }
    }
}
