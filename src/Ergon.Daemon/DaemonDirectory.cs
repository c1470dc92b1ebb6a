using Ergon.Admission;
using Ergon.Daemon.Executors;
using Ergon.Daemon.Storage;
using Ergon.Storage;
using Microsoft.Extensions.Logging;

namespace Ergon.Daemon;

/// <summary>The data directory of a daemon: <c>id</c>, <c>executions.db</c>, <c>audit.log</c>, and a directory of logs per executor.</summary>
internal sealed class DaemonDirectory
{
    private const UnixFileMode OwnerOnly = UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute;

    private readonly string _path;

    private DaemonDirectory(string path, string id) => (_path, Id) = (path, id);

    /// <summary>Tells this daemon from all others.</summary>
    public string Id { get; }

    public string AuditPath => Path.Combine(_path, "audit.log");

    public string DrainPath => Path.Combine(_path, "drain.json");

    public SqliteStoreOptions StoreOptions(DatabaseOptions database) => new()
    {
        Path = Path.Combine(_path, "executions.db"),
        KeyFile = database.KeyFile ?? Path.Combine(_path, "database.key"),
        SetAsideDamaged = database.SetAsideDamaged,
        SurvivePowerLoss = database.SurvivePowerLoss,
        MaxEvents = database.MaxEvents,
    };

    /// <summary>Opens the directory, making it if it is missing.</summary>
    /// <exception cref="ExecutorException"><see cref="ErrorCode.StorageFailed"/>.</exception>
    public static DaemonDirectory Open(string path)
    {
        path = Path.GetFullPath(path);
        try
        {
            if (OperatingSystem.IsWindows()) Directory.CreateDirectory(path);
            else Directory.CreateDirectory(path, OwnerOnly);
            return new DaemonDirectory(path, ReadId(Path.Combine(path, "id")));
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new ExecutorException(ErrorCode.StorageFailed, $"The data directory {path} cannot be used: {e.Message} Make it writable, or choose another with --data.", innerException: e);
        }
    }

    /// <summary>Makes the daemon's executors, each of which has the same id after each restart.</summary>
    public IReadOnlyList<ManagedExecutor> CreateExecutors(DaemonOptions options, IExecutionStore store, AdmissionControl admission, ILoggerFactory loggerFactory, ILogger logger, TimeProvider time)
    {
        var shared = LimitsOf(options) with { DataDirectory = _path, Store = store, Admission = admission, DisposeBehavior = options.OnShutdown };
        var names = options.Executors.Count > 0 ? options.Executors : ExecutorFactory.Names;
        return [.. names.Select(name => new ManagedExecutor(
            ExecutorFactory.Create(name, BackendOptions.Of(options), shared with { ExecutorId = options.ExecutorIds.TryGetValue(name, out var given) ? given : $"{Id}-{name}" }, loggerFactory),
            _path, logger, time))];
    }

    /// <summary>What each executor is told by the settings, and can be told again while it runs.</summary>
    public static ExecutorOptions LimitsOf(DaemonOptions options) => new()
    {
        MaxConcurrentExecutions = options.MaxConcurrentExecutions,
        DefaultPersistLogs = options.DefaultPersistLogs,
        MaxRetainedResults = options.MaxRetainedResults,
        MaxRetainedBytes = options.MaxRetainedBytes,
        MaxConcludedExecutions = options.MaxConcludedExecutions,
        MaxLogLimits = options.MaxLogLimits,
        AllowedVolumeRoots = options.Policy.VolumeRoots,
    };

    // Two daemons of one machine must not take each other's containers for their own.
    private static string ReadId(string path)
    {
        if (File.Exists(path) && File.ReadAllText(path).Trim() is var known && Identifier.IsValid(known)) return known;
        var id = $"ergon-{Guid.NewGuid().ToString("n")[..12]}";
        File.WriteAllText(path + ".new", id + "\n");
        File.Move(path + ".new", path, overwrite: true);
        return id;
    }
}
