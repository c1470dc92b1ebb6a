namespace Ergon;

/// <summary>What an executor is and can do, here and now.</summary>
public sealed record ExecutorFingerprint
{
    /// <summary>The executor's name.</summary>
    public required string Executor { get; init; }

    /// <summary>Whether jobs can be run.</summary>
    public required bool Available { get; init; }

    /// <summary>The backend's version.</summary>
    public string? Version { get; init; }

    /// <summary>What it can do.</summary>
    public ExecutorCapabilities Capabilities { get; init; } = new();

    /// <summary>What is missing or weaker than it should be, each with its remedy. May be there even when jobs can be run.</summary>
    public IReadOnlyList<FingerprintProblem> Problems { get; init; } = [];

    /// <summary>Facts about the backend, for people: storage driver, cgroup version, kernel, ...</summary>
    public IReadOnlyDictionary<string, string> Details { get; init; } = new Dictionary<string, string>();
}

/// <summary>Something missing, and what to do about it.</summary>
/// <param name="Problem">What is missing and what follows from that.</param>
/// <param name="Remedy">What to do.</param>
public sealed record FingerprintProblem(string Problem, string Remedy);

/// <summary>What an executor can do. What it cannot, it refuses with <see cref="ErrorCode.NotSupported"/>.</summary>
public sealed record ExecutorCapabilities
{
    /// <summary>Jobs name an OCI image.</summary>
    public bool Images { get; init; }

    /// <summary>Freeze and thaw.</summary>
    public bool Pause { get; init; }

    /// <summary>Run further commands inside.</summary>
    public bool Exec { get; init; }

    /// <summary>Resource use can be read.</summary>
    public bool Stats { get; init; }

    /// <summary>The kernel enforces the memory limit and its kills are told apart.</summary>
    public bool MemoryLimit { get; init; }

    /// <summary>The kernel enforces the CPU limit.</summary>
    public bool CpuLimit { get; init; }

    /// <summary>The kernel enforces the limit of processes.</summary>
    public bool PidsLimit { get; init; }

    /// <summary>The writable disk can be limited.</summary>
    public bool DiskLimit { get; init; }

    /// <summary>GPUs can be given.</summary>
    public bool Gpus { get; init; }

    /// <summary>The host's file system cannot be written.</summary>
    public bool FileSystemIsolation { get; init; }

    /// <summary>Inputs can be writable: what the job changes in them changes on the host.</summary>
    public bool WritableInputs { get; init; }

    /// <summary>The networks that can be asked for.</summary>
    public IReadOnlyList<NetworkMode> Networks { get; init; } = [];

    /// <summary>Executions outlive the executor's process and are found again by <c>RecoverAsync</c>.</summary>
    public bool Recovery { get; init; }

    /// <summary>
    /// The signal that ended a job is known for certain. Without it, a signal that nobody sent through the executor is reported as the
    /// exit code 128+n that the backend gave.
    /// </summary>
    public bool ExactSignals { get; init; }
}
