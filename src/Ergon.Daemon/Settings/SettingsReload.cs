using Ergon.Admission;
using Ergon.Daemon.Executors;
using Microsoft.Extensions.Logging;

namespace Ergon.Daemon.Settings;

/// <summary>Takes other settings while the daemon runs: all of those that can be changed, or none when one is wrong.</summary>
/// <param name="read">Reads them again from where they came from; <see langword="null"/>: they came from nowhere.</param>
/// <param name="settings">Those that are in force.</param>
/// <param name="executors">Are told of theirs.</param>
/// <param name="admission">Is told of its own.</param>
/// <param name="logger">Takes what was changed.</param>
internal sealed class SettingsReload(Func<DaemonOptions>? read, LiveSettings settings, ExecutorSet executors, AdmissionControl admission, ILogger logger)
{
    private readonly Lock _lock = new();

    /// <summary>Reads the settings again, and takes them.</summary>
    /// <exception cref="ExecutorException">
    /// <see cref="ErrorCode.InvalidRequest"/> with everything that is wrong, <see cref="ErrorCode.NotSupported"/>; nothing has changed.
    /// </exception>
    public SettingsChange Reload()
    {
        if (read is null) throw new ExecutorException(ErrorCode.NotSupported, "This daemon's settings were given by a program and cannot be read again. Have it change them.");
        lock (_lock)
        {
            try
            {
                return Take(read());
            }
            catch (ExecutorException e)
            {
                DaemonLog.ReloadFailed(logger, e.Message);
                throw;
            }
        }
    }

    /// <summary>Takes settings.</summary>
    /// <exception cref="ExecutorException"><see cref="ErrorCode.InvalidRequest"/> with everything that is wrong; nothing has changed.</exception>
    public SettingsChange Change(DaemonOptions options)
    {
        lock (_lock) return Take(options);
    }

    private SettingsChange Take(DaemonOptions options)
    {
        var (old, loaded) = (settings.Current, ActiveSettings.Load(options));
        var change = SettingsDifference.Between(old, loaded);
        var next = loaded with { Options = WithFixed(loaded.Options, old.Options) };

        // A port is opened and closed with the daemon.
        if (old.Options.Network is null || options.Network is null) next = next with { Callers = old.Callers, Certificates = old.Certificates };
        settings.Replace(next);
        admission.Change(next.Options.Limits);
        foreach (var executor in executors.All) executor.Executor.Change(DaemonDirectory.LimitsOf(next.Options));
        DaemonLog.Reloaded(logger, Listed(change.Changed), Listed(change.NeedRestart));
        return change;
    }

    // What needs a restart stays as it is, so that the next reload still says so.
    private static DaemonOptions WithFixed(DaemonOptions next, DaemonOptions old) => next with
    {
        SocketPath = old.SocketPath,
        DataDirectory = old.DataDirectory,
        Executors = old.Executors,
        ExecutorIds = old.ExecutorIds,
        OnShutdown = old.OnShutdown,
        Database = old.Database,
        Docker = old.Docker,
        ShutdownTimeout = old.ShutdownTimeout,
        Network = old.Network is null || next.Network is null ? old.Network : next.Network with { Address = old.Network.Address },
    };

    private static string Listed(IReadOnlyList<string> names) => names.Count == 0 ? "nothing" : string.Join(", ", names);
}
