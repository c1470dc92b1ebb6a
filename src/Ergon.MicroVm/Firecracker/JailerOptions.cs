namespace Ergon.MicroVm.Firecracker;

/// <summary>
/// How machines are put into jails: each Firecracker is started by its <c>jailer</c> as a user of its own, sees nothing of the host but what its machine
/// needs, and has no network but its machine's. It needs root and cgroups.
/// </summary>
public sealed record JailerOptions
{
    /// <summary>The jailer's program, a path or a name that is looked for in <c>PATH</c>; it has to be of Firecracker's version.</summary>
    public string Program { get; init; } = "jailer";

    /// <summary>The first of the numbers that machines get as their user and group; nobody else on this system may have one of them.</summary>
    public int FirstUserId { get; init; } = 900_000;

    /// <summary>How many such numbers there are, and so how many machines may run at one time.</summary>
    public int UserIds { get; init; } = 10_000;

    /// <summary>Where it is noted which numbers are taken, by whatever process of this system; it must not outlive a restart of the system.</summary>
    public string StateDirectory { get; init; } = "/run/ergon/jail-users";
}
