namespace Ergon.MicroVm;

/// <summary>
/// Machines that are started before a job asks for one, so that it begins at once. In QEMU each has also done all that a job needs once, with a job of
/// nobody's. It is given its disks when it is taken: it becomes one job's machine and is removed with it, and none is ever used twice. Jobs
/// with a bridge network are not begun so; what differs in memory, CPUs, kernel, type of machine or number of inputs has machines of its own. An image may be
/// any. A machine that waits holds its memory.
/// </summary>
public sealed record WarmMachineOptions
{
    /// <summary>How many machines may wait, of all kinds together.</summary>
    public int MaxIdle { get; init; } = 2;

    /// <summary>How long a machine waits for a job before it is removed.</summary>
    public TimeSpan IdleTime { get; init; } = TimeSpan.FromMinutes(5);

    /// <summary>Whether a job for which no machine waits has one made that it then begins in, so that tests see every job begin so.</summary>
    internal bool Always { get; init; }
}
