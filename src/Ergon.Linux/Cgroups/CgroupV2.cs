namespace Ergon.Linux;

/// <summary>A cgroup of the v2 hierarchy.</summary>
internal sealed class CgroupV2(string directory) : Cgroup
{
    private const int CpuPeriod = 100_000;
    private const int LeastCpuQuota = 1000;
    private const int MaxAttempts = 5;
    private const uint PriorityEvent = 2;

    /// <summary>What its one place is called.</summary>
    public const string Place = "unified";

    public override IReadOnlyDictionary<string, string> Places => new Dictionary<string, string> { [Place] = directory };

    public override bool IsFrozen => CgroupText.Number(Read("cgroup.freeze")) == 1;

    public override IReadOnlyList<string> TaskFiles => [];

    public void CreateEmpty()
    {
        for (var attempt = 1; ; attempt++)
        {
            try
            {
                Make(directory);
                return;
            }
            catch (DirectoryNotFoundException) when (attempt < MaxAttempts)
            {
                // Another executor has just removed the empty directories above.
            }
        }
    }

    public void Create(CgroupLimits limits)
    {
        CreateEmpty();
        if (limits.Memory is { } memory)
        {
            Write(directory, "memory.max", $"{memory}");
            if (File.Exists(Path.Combine(directory, "memory.swap.max"))) Write(directory, "memory.swap.max", "0");
        }

        if (limits.Pids is { } pids) Write(directory, "pids.max", $"{pids}");
        if (limits.Cpu is { } cpu) LimitCpu(cpu);
    }

    public override void LimitCpu(double cores) => Write(directory, "cpu.max", $"{Math.Max(LeastCpuQuota, (long)(cores * CpuPeriod))} {CpuPeriod}");

    public override void Add(int processId) => Write(directory, "cgroup.procs", $"{processId}");

    /// <summary>Moves a process in, unless it has ended meanwhile.</summary>
    public void TryAdd(int processId)
    {
        try
        {
            Add(processId);
        }
        catch (IOException) when (!Directory.Exists($"/proc/{processId}"))
        {
        }
    }

    public override IReadOnlyList<int> ProcessIds() => CgroupText.ProcessIds(Read("cgroup.procs"));

    public override bool RanOutOfMemory() => CgroupText.Keyed(Read("memory.events"), "oom_kill") > 0;

    public override CgroupUsage ReadUsage()
    {
        var io = Read("io.stat");
        return new CgroupUsage
        {
            CpuTime = CgroupText.Keyed(Read("cpu.stat"), "usage_usec") is { } microseconds ? TimeSpan.FromMicroseconds(microseconds) : null,
            MemoryBytes = CgroupText.MemoryInUse(Read("memory.current"), Read("memory.stat"), "inactive_file"),
            Pids = CgroupText.Number(Read("pids.current")),
            DiskReadBytes = CgroupText.SumOfIoStat(io, "rbytes"),
            DiskWrittenBytes = CgroupText.SumOfIoStat(io, "wbytes"),
        };
    }

    public void BeginFreeze() => Write(directory, "cgroup.freeze", "1");

    public override async Task<bool> FreezeAsync(KernelEvents events, CancellationToken cancellationToken)
    {
        if (!File.Exists(Path.Combine(directory, "cgroup.freeze"))) return false;
        BeginFreeze();
        using var file = Descriptors.Open(Path.Combine(directory, "cgroup.events"), Libc.ReadOnly);
        while (true)
        {
            // Watched before it is read, so that a change in between is not missed.
            var changed = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
            using var registration = events.Add(file, PriorityEvent, (_, _) => changed.TrySetResult());
            // Read by the watched descriptor itself: that is what tells the kernel which change has been seen.
            var state = ReadFrom(file);
            // An empty cgroup is never "frozen".
            if (CgroupText.Keyed(state, "frozen") == 1 || CgroupText.Keyed(state, "populated") == 0) return true;
            await changed.Task.WaitAsync(cancellationToken);
        }
    }

    private static string ReadFrom(Microsoft.Win32.SafeHandles.SafeFileHandle file)
    {
        Span<byte> buffer = stackalloc byte[256];
        return System.Text.Encoding.ASCII.GetString(buffer[..RandomAccess.Read(file, buffer, 0)]);
    }

    public override void Thaw()
    {
        if (File.Exists(Path.Combine(directory, "cgroup.freeze"))) Write(directory, "cgroup.freeze", "0");
    }

    public void Remove() => RemoveDirectory(directory);

    protected override void RemoveDirectories() => Remove();

    private string? Read(string file) => CgroupText.Read(Path.Combine(directory, file));
}
