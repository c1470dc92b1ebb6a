namespace Ergon.Process;

/// <summary>The settings of the process driver: what the operator allows, and how jobs are shut in.</summary>
public sealed record ProcessOptions
{
    /// <summary>
    /// The user that jobs run as when Ergon itself is root: <c>name</c>, <c>name:group</c>, <c>uid</c> or <c>uid:gid</c>. Without root,
    /// jobs run as Ergon's own user.
    /// </summary>
    public string User { get; init; } = "65534:65534";

    /// <summary>
    /// The users that a request may ask for, besides <see cref="User"/>, exactly as a request writes them; <c>*</c> allows any, also root,
    /// which then has no capabilities.
    /// </summary>
    public IReadOnlyList<string> AllowedUsers { get; init; } = [];

    /// <summary>Whether a request may ask for the host's network. Not unless it is said here.</summary>
    public bool AllowHostNetwork { get; init; }

    /// <summary>Host directories that are empty inside a sandbox. The executor's own data directory always is.</summary>
    public IReadOnlyList<string> HiddenPaths { get; init; } = ["/root", "/home"];

    /// <summary>
    /// The size of the private writable directories (<c>/tmp</c>, <c>/var/tmp</c>, <c>/run</c>, <c>/dev/shm</c>, together) of a job that
    /// asks for no disk. They lie in memory and count towards its memory limit. <see langword="null"/>: half of the machine's memory.
    /// </summary>
    public long? PrivateDirectoryBytes { get; init; }

    /// <summary>
    /// Refuse to run anything where a full sandbox cannot be had, instead of running with the protections that are there and saying so.
    /// </summary>
    public bool RequireSandbox { get; init; }
}
