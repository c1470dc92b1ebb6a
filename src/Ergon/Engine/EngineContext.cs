using Ergon.Drivers;
using Microsoft.Extensions.Logging;

namespace Ergon.Engine;

/// <summary>What the parts of one executor share.</summary>
internal sealed record EngineContext
{
    public required IExecutionDriver Driver { get; init; }

    public required ExecutorOptions Options { get; init; }

    public required string ExecutorId { get; init; }

    public required TimeProvider Time { get; init; }

    public required ILogger Logger { get; init; }

    public required ErgonTelemetry Telemetry { get; init; }

    public required EventHub Events { get; init; }

    public required Journal Journal { get; init; }

    public required UnrecordedResults Unrecorded { get; init; }

    public required DriverCalls Calls { get; init; }
}
