using System.Runtime.Versioning;
using Ergon.Images.Store;
using Ergon.Linux;
using Microsoft.Extensions.Logging;

namespace Ergon.Runc.Execution;

/// <summary>What all executions of a driver share.</summary>
internal sealed record RuncParts
{
    public required RuncOptions Options { get; init; }

    public required ImageStore Images { get; init; }

    public required ContainerCgroups Cgroups { get; init; }

    public required KernelEvents Events { get; init; }

    public required TimeProvider Time { get; init; }

    public required ILogger Logger { get; init; }

    /// <summary>The path of the runtime; <see langword="null"/>: it is not there.</summary>
    [SupportedOSPlatform("linux")]
    public string? FindRuntime() => ProgramPath.Find(Options.Runtime);
}
