using System.Runtime.Versioning;
using Ergon.Images.Store;
using Ergon.Linux;
using Ergon.Networks;
using Ergon.Runc.Containers;
using Microsoft.Extensions.Logging;

namespace Ergon.Runc.Execution;

/// <summary>What all executions of a driver share.</summary>
internal sealed record RuncParts
{
    // A step takes milliseconds; on a machine that is overloaded, seconds.
    private static readonly TimeSpan StepTime = TimeSpan.FromSeconds(60);

    public required RuncOptions Options { get; init; }

    public required ImageStore Images { get; init; }

    /// <summary>The layer above those of each image; see <see cref="Bundles.MountPointsLayer"/>.</summary>
    public required string MountPoints { get; init; }

    public required SealedRuntime SealedRuntime { get; init; }

    /// <summary>
    /// Lets as many containers start at one time as keep the processors busy: more would only make each of them slower, so that the first of many is
    /// ready when the last one is.
    /// </summary>
    public SemaphoreSlim Starts { get; } = new(Math.Max(4, 2 * Environment.ProcessorCount));

    public required ContainerCgroups Cgroups { get; init; }

    public required BridgeNetworks Networks { get; init; }

    public required KernelEvents Events { get; init; }

    public required TimeProvider Time { get; init; }

    public required ILogger Logger { get; init; }

    /// <summary>The path of the runtime; <see langword="null"/>: it is not there.</summary>
    [SupportedOSPlatform("linux")]
    public string? FindRuntime() => ProgramPath.Find(Options.Runtime);

    /// <summary>Waits for a step that others take, but not for ever: a runtime that hangs, or was stopped, must be found out.</summary>
    /// <param name="step">Completes with the step.</param>
    /// <param name="failure">What has not happened when the time is over.</param>
    /// <param name="cancellationToken">Ends the wait.</param>
    /// <exception cref="IOException">The time is over.</exception>
    public async Task WaitForStepAsync(Task step, string failure, CancellationToken cancellationToken)
    {
        try
        {
            await step.WaitAsync(StepTime, Time, cancellationToken);
        }
        catch (TimeoutException e)
        {
            throw new IOException($"{failure} within {StepTime.TotalSeconds:0} s", e);
        }
    }
}
