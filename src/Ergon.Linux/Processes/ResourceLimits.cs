namespace Ergon.Linux;

/// <summary>Sets the limits of one process by <c>prlimit</c>: what there is where cgroups cannot be made.</summary>
internal static unsafe class ResourceLimits
{
    private const int AddressSpace = 9;
    private const int Processes = 6;

    /// <summary>Limits the address space of a process, and of each of its descendants.</summary>
    public static void LimitAddressSpace(int processId, long bytes) => Set(processId, AddressSpace, bytes, "address space");

    /// <summary>Limits the processes of the process's user.</summary>
    public static void LimitProcesses(int processId, long count) => Set(processId, Processes, count, "number of processes");

    private static void Set(int processId, int resource, long value, string what)
    {
        var limit = stackalloc long[2];
        limit[0] = limit[1] = value;
        Libc.Check(Libc.SystemCall(SystemCallNumbers.ResourceLimit, processId, resource, (nint)limit, 0, 0), $"limit the {what} of process {processId}");
    }
}
