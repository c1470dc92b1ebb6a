using System.Runtime.Versioning;
using Ergon.Drivers;
using Ergon.Linux;

namespace Ergon.Process.Native;

/// <summary>What an execution on Linux consists of.</summary>
[SupportedOSPlatform("linux")]
internal sealed record NativeParts
{
    public required DriverContext Context { get; init; }

    public required ProcessSpec Spec { get; init; }

    public required JobLauncher Launcher { get; init; }

    public required JobCommand Command { get; init; }

    /// <summary>The scripts to run before the command, as paths that the job can read.</summary>
    public required IReadOnlyList<(string Name, JobCommand Command)> Scripts { get; init; }

    public required KeptPipe Stdout { get; init; }

    public required KeptPipe Stderr { get; init; }

    public required TimeProvider Time { get; init; }

    /// <summary>A variable in the environment of every process of the execution, where no namespace holds them together.</summary>
    public required string Mark { get; init; }

    /// <summary>What the job has instead of a private /tmp where there is no sandbox.</summary>
    public OutsideDirectory? Outside { get; init; }
}
