using System.Collections.ObjectModel;

namespace Ergon;

/// <summary>Everything an executor needs to run one job once. Defaults are safe: no network, no privileges, bounded output.</summary>
public sealed record ExecutionRequest
{
    /// <summary>What the caller wants done.</summary>
    public required JobId JobId { get; init; }

    /// <summary>This attempt at the job; unique within the executor.</summary>
    public required ExecutionId ExecutionId { get; init; }

    /// <summary>The backend-specific half of the request.</summary>
    public required SpecConfig EngineSpec { get; init; }

    /// <summary>What the execution may use; what is not set is not limited, beyond the executor's own limits.</summary>
    public Resources Resources { get; init; } = new();

    /// <summary>Host data brought into the execution.</summary>
    public IReadOnlyList<StorageVolume> Inputs { get; init; } = [];

    /// <summary>
    /// Data brought out of the execution: <see cref="StorageVolume.Target"/> inside becomes <see cref="StorageVolume.Source"/>, a
    /// relative name, inside <see cref="ResultsDir"/>.
    /// </summary>
    public IReadOnlyList<StorageVolume> Outputs { get; init; } = [];

    /// <summary>
    /// An absolute directory on the host, made if missing, that receives <c>stdout</c>, <c>stderr</c>, <c>exit_code</c>,
    /// <c>result.json</c> and the outputs. <see langword="null"/>: nothing is written.
    /// </summary>
    public string? ResultsDir { get; init; }

    /// <summary>Environment variables; they win over those of the engine spec, which win over the image's.</summary>
    public IReadOnlyDictionary<string, string> Environment { get; init; } = ReadOnlyDictionary<string, string>.Empty;

    /// <summary>How long each phase may take.</summary>
    public Timeouts Timeouts { get; init; } = new();

    /// <summary>What the execution can reach.</summary>
    public NetworkSpec Network { get; init; } = new();

    /// <summary>Scripts that run inside the execution, in order, before the command. The first that fails ends the execution.</summary>
    public IReadOnlyList<ProvisionScript> ProvisionScripts { get; init; } = [];

    /// <summary>
    /// How long the log and the result are retained after the end. <see langword="null"/>: as long as the executor's default says.
    /// </summary>
    public TimeSpan? PersistLogs { get; init; }

    /// <summary>How much output is kept.</summary>
    public LogLimits LogLimits { get; init; } = new();

    /// <summary>Who comes first when executions wait for resources: a higher number before a lower one, -1000 to 1000.</summary>
    public int Priority { get; init; }

    /// <summary>
    /// Makes starting this execution repeatable: a start with the same execution id, key and request as an earlier one has the outcome of that
    /// one, also after a restart of the executor. 1 to 128 characters of one's own. <see langword="null"/>: a second start is refused.
    /// </summary>
    public string? RequestKey { get; init; }

    /// <summary>The caller's own marks; they can be listed and watched by.</summary>
    public IReadOnlyDictionary<string, string> Labels { get; init; } = ReadOnlyDictionary<string, string>.Empty;
}
