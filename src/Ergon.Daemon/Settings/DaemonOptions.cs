using Ergon.Admission;
using Ergon.Docker;

namespace Ergon.Daemon;

/// <summary>The settings of a daemon.</summary>
public sealed record DaemonOptions
{
    /// <summary>The Unix socket to listen on; made with mode 0600. <see langword="null"/>: none.</summary>
    public string? SocketPath { get; init; }

    /// <summary>Where records, logs and results are kept; only one daemon at a time may use it.</summary>
    public required string DataDirectory { get; init; }

    /// <summary>The executors to have; empty: all that this system can have.</summary>
    public IReadOnlyList<string> Executors { get; init; } = [];

    /// <summary>
    /// The ids under which executors mark what they create, by executor. Those that are not named get one that is kept in the data directory.
    /// </summary>
    public IReadOnlyDictionary<string, string> ExecutorIds { get; init; } = new Dictionary<string, string>();

    /// <summary>What happens to running executions when the daemon is stopped. Those that cannot be found again are cancelled either way.</summary>
    public DisposeBehavior OnShutdown { get; init; } = DisposeBehavior.Detach;

    /// <summary>The most executions of one executor that may be pending, running or paused at one time.</summary>
    public int MaxConcurrentExecutions { get; init; } = new ExecutorOptions().MaxConcurrentExecutions;

    /// <summary>How long logs and results are retained after the end, for requests that do not say.</summary>
    public TimeSpan DefaultPersistLogs { get; init; } = new ExecutorOptions().DefaultPersistLogs;

    /// <summary>How many results each executor retains, with their logs; beyond that, the oldest are released. <see langword="null"/>: any number.</summary>
    public int? MaxRetainedResults { get; init; }

    /// <summary>How many bytes the retained results and logs of each executor may take. <see langword="null"/>: any number.</summary>
    public long? MaxRetainedBytes { get; init; }

    /// <summary>How many executions that have ended each executor knows, released or not; beyond that, the oldest are forgotten. <see langword="null"/>: any number.</summary>
    public int? MaxConcludedExecutions { get; init; }

    /// <summary>The most output that is kept of an execution, whatever its request asks for. <see langword="null"/>: as much as is asked for.</summary>
    public LogLimits? MaxLogLimits { get; init; }

    /// <summary>The database of executions in the data directory.</summary>
    public DatabaseOptions Database { get; init; } = new();

    /// <summary>How the Docker Engine is reached, and which containers wait there; what requests may loosen is said by <see cref="Policy"/>.</summary>
    public DockerOptions Docker { get; init; } = new();

    /// <summary>How the executor <c>qemu</c> makes its guests; <see langword="null"/>: by its defaults.</summary>
    public QemuSettings? Qemu { get; init; }

    /// <summary>How the executor <c>firecracker</c> makes its guests; <see langword="null"/>: by its defaults.</summary>
    public FirecrackerSettings? Firecracker { get; init; }

    /// <summary>What executions may take, together and each; who does not find room waits. <see langword="null"/>: without limits.</summary>
    public AdmissionOptions? Admission { get; init; }

    /// <summary>What requests may ask for.</summary>
    public DaemonPolicy Policy { get; init; } = new();

    /// <summary>Where to listen beside the socket, and who may call there. <see langword="null"/>: nowhere.</summary>
    public NetworkListener? Network { get; init; }

    /// <summary>How long the calls that are being answered may take when the daemon is stopped.</summary>
    public TimeSpan ShutdownTimeout { get; init; } = TimeSpan.FromSeconds(10);

    /// <summary>What executions may take, with what the policy says of each.</summary>
    internal AdmissionOptions Limits => (Admission ?? new AdmissionOptions()) is var limits && Policy.Resources is { } most ? limits with { PerRequest = most } : limits;
}

/// <summary>The database of a daemon.</summary>
public sealed record DatabaseOptions
{
    /// <summary>
    /// The file of the key with which requests are encrypted; made if the database is new. <see langword="null"/>: <c>database.key</c> in the
    /// data directory, so that a copy of the database alone tells no secret; elsewhere, a copy of the directory does not either.
    /// </summary>
    public string? KeyFile { get; init; }

    /// <summary>As <see cref="Storage.SqliteStoreOptions.SetAsideDamaged"/>.</summary>
    public bool SetAsideDamaged { get; init; }

    /// <summary>As <see cref="Storage.SqliteStoreOptions.SurvivePowerLoss"/>.</summary>
    public bool SurvivePowerLoss { get; init; }

    /// <summary>As <see cref="Storage.SqliteStoreOptions.MaxEvents"/>.</summary>
    public int MaxEvents { get; init; } = 100_000;
}
