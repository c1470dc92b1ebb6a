namespace Ergon.Linux;

/// <summary>A cgroup that is one directory in each of several v1 hierarchies.</summary>
/// <param name="directories">The directory for each controller.</param>
/// <param name="own">This process's own directory for each controller.</param>
/// <param name="freezer">
/// The cgroup in the v2 hierarchy, which such systems mount as well, for freezing: it needs no controller there, and unlike v1's
/// freezer it lets frozen processes be killed. It is made when it is needed. <see langword="null"/>: there is none.
/// </param>
internal sealed class CgroupV1(IReadOnlyDictionary<string, string> directories, IReadOnlyDictionary<string, string> own, CgroupV2? freezer) : Cgroup
{
    private const int CpuPeriod = 100_000;
    private const int LeastCpuQuota = 1000;

    /// <summary>What the place of the freezer is called.</summary>
    public const string FreezerPlace = "freezing";

    public override IReadOnlyDictionary<string, string> Places =>
        freezer is null ? directories : new Dictionary<string, string>(directories) { [FreezerPlace] = freezer.Places[CgroupV2.Place] };

    public override bool IsFrozen => freezer?.IsFrozen == true;

    public override IReadOnlyList<string> TaskFiles { get; } = TaskFilesIn(directories);

    public override IReadOnlyList<string> OwnTaskFiles { get; } = TaskFilesIn(own);

    public void Create(CgroupLimits limits)
    {
        foreach (var directory in directories.Values.Distinct()) Make(directory);
        if (limits.Memory is { } memory && directories.TryGetValue("memory", out var path))
        {
            Write(path, "memory.limit_in_bytes", $"{memory}");
            // Without swap accounting the second limit does not exist; then the kernel is told not to swap.
            if (File.Exists(Path.Combine(path, "memory.memsw.limit_in_bytes"))) Write(path, "memory.memsw.limit_in_bytes", $"{memory}");
            else Write(path, "memory.swappiness", "0");
        }

        if (limits.Pids is { } pids && directories.TryGetValue("pids", out path)) Write(path, "pids.max", $"{pids}");
        if (limits.Cpu is { } cpu) LimitCpu(cpu);
    }

    public override void LimitCpu(double cores)
    {
        if (!directories.TryGetValue("cpu", out var path)) return;
        Write(path, "cpu.cfs_period_us", $"{CpuPeriod}");
        Write(path, "cpu.cfs_quota_us", $"{Math.Max(LeastCpuQuota, (long)(cores * CpuPeriod))}");
    }

    public override void Add(int processId)
    {
        foreach (var directory in directories.Values.Distinct()) Write(directory, "cgroup.procs", $"{processId}");
    }

    public override IReadOnlyList<int> ProcessIds() =>
        [.. directories.Values.Distinct().SelectMany(d => CgroupText.ProcessIds(CgroupText.Read(Path.Combine(d, "cgroup.procs")))).Distinct().Except([Environment.ProcessId])];

    public override bool RanOutOfMemory() => CgroupText.Keyed(Read("memory", "memory.oom_control"), "oom_kill") > 0;

    public override CgroupUsage ReadUsage()
    {
        var io = Read("blkio", "blkio.throttle.io_service_bytes");
        return new CgroupUsage
        {
            CpuTime = CgroupText.Number(Read("cpuacct", "cpuacct.usage")) is { } nanoseconds ? TimeSpan.FromTicks(nanoseconds / 100) : null,
            MemoryBytes = CgroupText.MemoryInUse(Read("memory", "memory.usage_in_bytes"), Read("memory", "memory.stat"), "total_inactive_file"),
            Pids = CgroupText.Number(Read("pids", "pids.current")),
            DiskReadBytes = CgroupText.SumOfBlkio(io, "Read"),
            DiskWrittenBytes = CgroupText.SumOfBlkio(io, "Write"),
        };
    }

    public override async Task<bool> FreezeAsync(KernelEvents events, CancellationToken cancellationToken)
    {
        if (freezer is null) return false;
        freezer.CreateEmpty();
        freezer.BeginFreeze();
        // Whoever is moved in freezes on arrival; whoever forked before that is found in the next round.
        HashSet<int> moved = [];
        while (ProcessIds().Where(id => !moved.Contains(id)).ToArray() is { Length: > 0 } ids)
        {
            foreach (var id in ids)
            {
                freezer.TryAdd(id);
                moved.Add(id);
            }
        }

        return await freezer.FreezeAsync(events, cancellationToken);
    }

    public override void Thaw() => freezer?.Thaw();

    public override void Release()
    {
        freezer?.Release();
        base.Release();
    }

    protected override void RemoveDirectories()
    {
        freezer?.Remove();
        foreach (var directory in directories.Values) RemoveDirectory(directory);
    }

    private static string[] TaskFilesIn(IReadOnlyDictionary<string, string> directories) =>
        [.. directories.Values.Distinct().Select(d => Path.Combine(d, "tasks"))];

    private string? Read(string controller, string file) =>
        directories.TryGetValue(controller, out var directory) ? CgroupText.Read(Path.Combine(directory, file)) : null;
}
