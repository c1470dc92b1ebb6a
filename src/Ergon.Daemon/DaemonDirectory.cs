using Ergon.Daemon.Executors;
using Microsoft.Extensions.Logging;

namespace Ergon.Daemon;

/// <summary>The data directory of a daemon: <c>id</c>, <c>audit.log</c>, and a directory per executor.</summary>
internal sealed class DaemonDirectory
{
    private const UnixFileMode OwnerOnly = UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute;

    private readonly string _path;
    private readonly string _id;

    private DaemonDirectory(string path, string id) => (_path, _id) = (path, id);

    public string AuditPath => Path.Combine(_path, "audit.log");

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

    /// <summary>Makes one of the daemon's executors, which has the same id after each restart.</summary>
    public ManagedExecutor CreateExecutor(string name, DaemonOptions options, ILoggerFactory loggerFactory, ILogger logger, TimeProvider time)
    {
        var executorOptions = new ExecutorOptions
        {
            ExecutorId = options.ExecutorIds.TryGetValue(name, out var given) ? given : $"{_id}-{name}",
            DataDirectory = _path,
            DisposeBehavior = options.OnShutdown,
            MaxConcurrentExecutions = options.MaxConcurrentExecutions,
            DefaultPersistLogs = options.DefaultPersistLogs,
            AllowedVolumeRoots = options.AllowedVolumeRoots,
        };
        return new ManagedExecutor(ExecutorFactory.Create(name, executorOptions, loggerFactory), _path, logger, time);
    }

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
