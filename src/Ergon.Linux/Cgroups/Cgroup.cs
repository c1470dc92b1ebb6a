namespace Ergon.Linux;

/// <summary>The limits of a cgroup; what is not set is not limited.</summary>
internal sealed record CgroupLimits(long? Memory, double? Cpu, long? Pids);

/// <summary>What a cgroup used.</summary>
internal sealed record CgroupUsage
{
    public TimeSpan? CpuTime { get; init; }

    public long? MemoryBytes { get; init; }

    public long? Pids { get; init; }

    public long? DiskReadBytes { get; init; }

    public long? DiskWrittenBytes { get; init; }
}

/// <summary>What the kernel can do with the cgroups that can be made here.</summary>
internal sealed record CgroupAbilities(bool Memory, bool Cpu, bool Pids, bool Accounting, bool Freeze);

/// <summary>The cgroup of one execution: one directory, or one in each v1 hierarchy.</summary>
internal abstract class Cgroup
{
    private readonly List<OwnedDirectory> _owned = [];

    /// <summary>The directories that it consists of, by what they are for; <see cref="CgroupFactory.At"/> finds it again by them.</summary>
    public abstract IReadOnlyDictionary<string, string> Places { get; }

    /// <summary>Whether its processes are stopped.</summary>
    public abstract bool IsFrozen { get; }

    /// <summary>The files into which a thread writes <c>0</c> to join; empty where only whole processes can.</summary>
    public abstract IReadOnlyList<string> TaskFiles { get; }

    /// <summary>The files into which the thread writes <c>0</c> to return to where this process is.</summary>
    public virtual IReadOnlyList<string> OwnTaskFiles => [];

    /// <summary>Whether a new process must wait at a gate until it has been added.</summary>
    public bool NeedsGate => TaskFiles.Count == 0;

    /// <summary>Limits CPU time per wall time from now on, in cores, where the kernel can.</summary>
    public abstract void LimitCpu(double cores);

    /// <summary>Moves a process in.</summary>
    public abstract void Add(int processId);

    /// <summary>The processes in it, without this one: a thread of it may be there for the moment of a launch.</summary>
    public abstract IReadOnlyList<int> ProcessIds();

    /// <summary>Whether the kernel killed a process in it because its memory limit was reached.</summary>
    public abstract bool RanOutOfMemory();

    public abstract CgroupUsage ReadUsage();

    /// <summary>Stops every process in it; <see langword="false"/> when the kernel offers no such thing here.</summary>
    public abstract Task<bool> FreezeAsync(KernelEvents events, CancellationToken cancellationToken);

    /// <summary>Lets every process in it go on.</summary>
    public abstract void Thaw();

    /// <summary>Kills every process in it, waits until they are gone, and removes it.</summary>
    public async Task RemoveAsync(KernelEvents events, CancellationToken cancellationToken)
    {
        await KillAsync(events, cancellationToken);
        RemoveDirectories();
        Release();
    }

    /// <summary>Kills every process in it, and completes when they are dead.</summary>
    public async Task KillAsync(KernelEvents events, CancellationToken cancellationToken)
    {
        Thaw();
        // Again and again: a process may have forked while it was being killed.
        while (ProcessIds() is { Count: > 0 } ids)
            foreach (var id in ids) await OtherProcess.KillAsync(id, events, cancellationToken);
    }

    /// <summary>Lets go of the directories: what is left of them is abandoned.</summary>
    public virtual void Release()
    {
        foreach (var directory in _owned) directory.Dispose();
        _owned.Clear();
    }

    protected abstract void RemoveDirectories();

    /// <summary>Makes a directory that belongs to this process until <see cref="Release"/>.</summary>
    protected void Make(string directory) => _owned.Add(OwnedDirectory.Make(directory));

    protected static void Write(string directory, string file, string value)
    {
        try
        {
            File.WriteAllText(Path.Combine(directory, file), value);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new IOException($"The cgroup limit {file}={value} could not be set in {directory}: {e.Message}", e);
        }
    }

    protected static void RemoveDirectory(string directory)
    {
        try
        {
            Directory.Delete(directory);
        }
        catch (DirectoryNotFoundException)
        {
        }
    }
}
