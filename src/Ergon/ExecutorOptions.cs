using Ergon.Admission;
using Ergon.Storage;

namespace Ergon;

/// <summary>What happens to running executions when an executor is disposed.</summary>
public enum DisposeBehavior
{
    /// <summary>They are cancelled and removed from the backend.</summary>
    Cancel,

    /// <summary>They run on and are found again by <see cref="Executor.RecoverAsync"/>, where the backend can do that.</summary>
    Detach,
}

/// <summary>The settings of an executor that do not depend on its backend.</summary>
public sealed record ExecutorOptions
{
    /// <summary>
    /// Marks everything the executor creates; give it the same id after a restart to find it again. The rule is
    /// <see cref="Identifier.Rule"/>. <see langword="null"/>: a new one.
    /// </summary>
    public string? ExecutorId { get; init; }

    /// <summary>
    /// Where logs, results and records are kept, in a directory of the executor's own. <see langword="null"/>: a directory below the
    /// system's temporary directory, deleted when the executor is disposed.
    /// </summary>
    public string? DataDirectory { get; init; }

    /// <summary>
    /// Where requests, changes, results and events are kept, beside a <see cref="DataDirectory"/> that has the logs. <see langword="null"/>:
    /// in files of the data directory, or in memory when there is none.
    /// </summary>
    public IExecutionStore? Store { get; init; }

    /// <summary>The most output that is kept of an execution, whatever its request asks for. <see langword="null"/>: as much as is asked for.</summary>
    public LogLimits? MaxLogLimits { get; init; }

    /// <summary>How long logs and results are retained after the end, for requests that do not say.</summary>
    public TimeSpan DefaultPersistLogs { get; init; } = TimeSpan.FromDays(1);

    /// <summary>How many results are retained, with their logs; beyond that, the oldest are released. <see langword="null"/>: any number.</summary>
    public int? MaxRetainedResults { get; init; }

    /// <summary>How many bytes retained results and logs may take; beyond that, the oldest are released. <see langword="null"/>: any number.</summary>
    public long? MaxRetainedBytes { get; init; }

    /// <summary>
    /// How many executions that have ended are known, released or not; beyond that, the oldest are forgotten as if they were removed.
    /// <see langword="null"/>: any number, so that an executor that lives for long grows.
    /// </summary>
    public int? MaxConcludedExecutions { get; init; }

    /// <summary>The most executions that may be pending, running or paused at one time.</summary>
    public int MaxConcurrentExecutions { get; init; } = 4096;

    /// <summary>
    /// What executions may take together and each, and how many may wait for it. Executors that are given the same one share it.
    /// <see langword="null"/>: as much as they ask for.
    /// </summary>
    public AdmissionControl? Admission { get; init; }

    /// <summary>How long one call to the driver may take, apart from preparing and from waiting for the job.</summary>
    public TimeSpan DriverTimeout { get; init; } = TimeSpan.FromSeconds(30);

    /// <summary>How long the output may take to end after the job has ended, before the result is given without the rest.</summary>
    public TimeSpan OutputDrainTimeout { get; init; } = TimeSpan.FromSeconds(30);

    /// <summary>
    /// The host directories from which inputs may come and in which results may lie, compared after symbolic links are resolved.
    /// Empty: everywhere.
    /// </summary>
    public IReadOnlyList<string> AllowedVolumeRoots { get; init; } = [];

    /// <summary>What happens to running executions when the executor is disposed.</summary>
    public DisposeBehavior DisposeBehavior { get; init; }
}
