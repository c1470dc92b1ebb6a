namespace Ergon.Linux;

/// <summary>Limits of a process and its descendants: what there is where cgroups cannot be made.</summary>
/// <param name="AddressSpace">Bytes of address space of each process.</param>
/// <param name="Processes">Threads of the process's user, all of them.</param>
internal sealed record ProcessLimits(long? AddressSpace, long? Processes);

internal sealed unsafe partial class LaunchScript
{
    private const int AddressSpaceLimit = 9;
    private const int ProcessesLimit = 6;
    private const int DescriptorsLimit = 7;

    /// <summary>Limits a process of the thread's own user; another user's would need CAP_SYS_RESOURCE.</summary>
    public void Limit(int processId, ProcessLimits limits)
    {
        if (limits.AddressSpace is { } bytes) Limit(processId, AddressSpaceLimit, bytes, "address space");
        if (limits.Processes is { } count) Limit(processId, ProcessesLimit, count, "number of processes");
    }

    /// <summary>Sets how many descriptors this thread's process may have, and how far it may raise that itself.</summary>
    public void LimitDescriptors(long soft, long hard)
    {
        var limit = (long*)Arena.Allocate(2 * sizeof(long));
        (limit[0], limit[1]) = (soft, hard);
        Call("limit the number of descriptors", SystemCallNumbers.ResourceLimit, 0, DescriptorsLimit, (nint)limit);
    }

    private void Limit(int processId, int resource, long value, string what)
    {
        var limit = (long*)Arena.Allocate(2 * sizeof(long));
        limit[0] = limit[1] = value;
        Call($"limit the {what} of process {processId}", SystemCallNumbers.ResourceLimit, processId, resource, (nint)limit);
    }
}
