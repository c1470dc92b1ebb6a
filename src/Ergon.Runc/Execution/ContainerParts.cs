using System.Runtime.Versioning;
using Ergon.Drivers;
using Ergon.Linux;
using Ergon.Runc.Bundles;
using Ergon.Runc.Containers;
using Microsoft.Win32.SafeHandles;

namespace Ergon.Runc.Execution;

/// <summary>What one execution consists of.</summary>
[SupportedOSPlatform("linux")]
internal sealed record ContainerParts
{
    public required RuncParts Shared { get; init; }

    public required DriverContext Context { get; init; }

    public required ContainerPlan Plan { get; init; }

    public required BundlePaths Paths { get; init; }

    public required ContainerHome Home { get; init; }

    public required RuncCommand Runtime { get; init; }

    public required KeptPipe Stdout { get; init; }

    public required KeptPipe Stderr { get; init; }

    public required Cgroup? Cgroup { get; init; }

    public required UserIdentity User { get; init; }

    public required IReadOnlyDictionary<string, string> Environment { get; init; }

    /// <summary>The seccomp filter that each process loads itself; <see langword="null"/>: runc makes one for the container.</summary>
    public required SafeFileHandle? Filter { get; init; }

    public IReadOnlyList<PortMapping> Ports { get; init; } = [];
}
