namespace Ergon.Docker;

/// <summary>
/// Containers that are made and started before a job asks for one, so that it begins at once. Each waits with an idle process of a few
/// kilobytes, becomes one job's container, and is removed with it: none is ever used twice. Only jobs without volumes, ports, provision
/// scripts, GPUs and privileges are begun so; what differs in image, resources, network, user or hardening has containers of its own. They
/// carry no labels of the job. On x86-64, with an Engine on the same machine.
/// </summary>
public sealed record WarmContainerOptions
{
    /// <summary>How many containers may wait, of all kinds together.</summary>
    public int MaxIdle { get; init; } = 8;

    /// <summary>How long a container waits for a job before it is removed.</summary>
    public TimeSpan IdleTime { get; init; } = TimeSpan.FromMinutes(5);

    /// <summary>
    /// A directory for the files by which waiting containers are told what to become, at the same path for the Engine as for this process.
    /// <see langword="null"/>: <c>/run/ergon-warm</c> where it can be made, else a directory of the user among the temporary files.
    /// </summary>
    public string? Directory { get; init; }

    /// <summary>Whether a job for which no container waits has one made that it then begins in, so that tests see every job begin so.</summary>
    internal bool Always { get; init; }
}
