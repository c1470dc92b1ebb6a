using System.Runtime.Versioning;
using Ergon.Linux;

namespace Ergon.Process.Sandboxing;

/// <summary>A file or directory of the host that appears inside a sandbox.</summary>
[SupportedOSPlatform("linux")]
internal sealed record SandboxVolume(string Source, string Target, bool ReadOnly, bool IsDirectory, string Field);

/// <summary>What a sandbox is to be.</summary>
[SupportedOSPlatform("linux")]
internal sealed record SandboxSpec
{
    /// <summary>An existing private directory of the host for the sandbox's own mount point.</summary>
    public required string Directory { get; init; }

    public required string HostName { get; init; }

    /// <summary>Whether it has a network of its own, with nothing but loopback.</summary>
    public required bool OwnNetwork { get; init; }

    /// <summary>The user of the jobs inside.</summary>
    public required UserIdentity User { get; init; }

    /// <summary>The size of the private writable directories, together.</summary>
    public long? PrivateBytes { get; init; }

    /// <summary>Host directories that are empty inside.</summary>
    public IReadOnlyList<string> HiddenPaths { get; init; } = [];

    /// <summary>A variable in the environment of the keeper, by which a later process finds it.</summary>
    public required string Mark { get; init; }

    /// <summary>Whether the sandbox lives on when this process ends.</summary>
    public bool Outlives { get; init; }

    /// <summary>The descriptors that the keeper has as 3 and the following.</summary>
    public IReadOnlyList<int> Kept { get; init; } = [];

    /// <summary>Whether the kernel can restrict a mount with everything below it in one call.</summary>
    public bool ChangesMountsAtOnce { get; init; } = LaunchScript.CanAddMountAttributes;

    /// <summary>Whether the kernel can mount the view of another pid namespace.</summary>
    public bool MountsProcessesDirectly { get; init; } = LaunchScript.CanMountProcesses;
}
