using Ergon.Admission;

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

    /// <summary>What executions may take, together and each; who does not find room waits. <see langword="null"/>: without limits.</summary>
    public AdmissionOptions? Admission { get; init; }

    /// <summary>What requests may ask for.</summary>
    public DaemonPolicy Policy { get; init; } = new();

    /// <summary>Where to listen beside the socket, and who may call there. <see langword="null"/>: nowhere.</summary>
    public NetworkListener? Network { get; init; }

    /// <summary>How long the calls that are being answered may take when the daemon is stopped.</summary>
    public TimeSpan ShutdownTimeout { get; init; } = TimeSpan.FromSeconds(10);
}
