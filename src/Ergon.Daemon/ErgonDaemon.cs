using Ergon.Admission;
using Ergon.Daemon.Executors;
using Ergon.Daemon.Http;
using Ergon.Daemon.Listening;
using Ergon.Daemon.Rpc;
using Ergon.Daemon.Security;
using Ergon.Daemon.Settings;
using Ergon.Daemon.Storage;
using Microsoft.AspNetCore.Builder;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;

namespace Ergon.Daemon;

/// <summary>Serves executors to many clients, over gRPC and HTTP, for as long as a node runs.</summary>
public sealed class ErgonDaemon : IAsyncDisposable
{
    // Between the end of the executions and the end of the calls that tell of it.
    private static readonly TimeSpan LastAnswers = TimeSpan.FromSeconds(1);

    private readonly DaemonOptions _options;
    private readonly LiveSettings _settings;
    private readonly SettingsReload _reload;
    private readonly ILogger _logger;
    private readonly CancellationTokenSource _stopping = new();
    private readonly SqliteExecutionStore _store;
    private readonly Drain _drain;
    private readonly ExecutorSet _executors;
    private readonly AuditLog _audit;
    private readonly PrivateSocket? _socket;
    private readonly WebApplication _application;
    private int _disposed;

    private ErgonDaemon(ActiveSettings settings, Func<DaemonOptions>? read, DaemonDirectory data, SqliteExecutionStore store, ILoggerFactory loggerFactory, TimeProvider time)
    {
        var options = _options = settings.Options;
        _settings = new LiveSettings(settings);
        var admission = new AdmissionControl(options.Limits);
        _logger = loggerFactory.CreateLogger<ErgonDaemon>();
        _store = store;
        _drain = Drain.Open(data.DrainPath, time);
        _executors = new ExecutorSet(data.CreateExecutors(options, store, admission, loggerFactory, _logger, time), _drain, new IdleMemory(time));
        _reload = new SettingsReload(read, _settings, _executors, admission, _logger);
        _audit = new AuditLog(data.AuditPath, time);
        _socket = options.SocketPath is { } path ? PrivateSocket.Bind(path) : null;
        var operations = new Operations(_executors, _settings, _drain, _reload, _audit, _stopping.Token);
        var identity = new DaemonIdentity(data.Id);
        var http = new HttpApi(operations, new ExecutionEndpoints(operations), new StreamEndpoints(operations, identity), new AdminEndpoints(operations), _logger);
        _application = ServiceHost.Build(_settings, _socket, operations, identity, http, _audit, loggerFactory, time);
    }

    /// <summary>Starts a daemon: finds again what a former one left, then takes calls.</summary>
    /// <exception cref="ExecutorException">
    /// <see cref="ErrorCode.StorageFailed"/>: the data directory or the socket cannot be used; <see cref="ErrorCode.NotSupported"/>: an executor
    /// is not known here; <see cref="ErrorCode.InvalidRequest"/> with everything that is wrong with the options.
    /// </exception>
    public static Task<ErgonDaemon> StartAsync(
        DaemonOptions options, ILoggerFactory? loggerFactory = null, TimeProvider? timeProvider = null, CancellationToken cancellationToken = default) =>
        StartAsync(options, read: null, loggerFactory, timeProvider, cancellationToken);

    /// <summary>Starts a daemon with settings that are read now, and again whenever it is asked to.</summary>
    /// <exception cref="ExecutorException">As <see cref="StartAsync(DaemonOptions, ILoggerFactory?, TimeProvider?, CancellationToken)"/>.</exception>
    public static Task<ErgonDaemon> StartFromAsync(
        DaemonSettings settings, ILoggerFactory? loggerFactory = null, TimeProvider? timeProvider = null, CancellationToken cancellationToken = default) =>
        StartAsync(settings.Read(), settings.Read, loggerFactory, timeProvider, cancellationToken);

    /// <summary>Reads the settings again and takes all of those that can be changed while it runs, or none when one is wrong.</summary>
    /// <exception cref="ExecutorException">
    /// <see cref="ErrorCode.InvalidRequest"/> with everything that is wrong; <see cref="ErrorCode.NotSupported"/>: it was started with options.
    /// </exception>
    public SettingsChange Reload() => _reload.Reload();

    /// <summary>Takes all of these options that can be changed while it runs, or none when one is wrong.</summary>
    /// <exception cref="ExecutorException"><see cref="ErrorCode.InvalidRequest"/> with everything that is wrong.</exception>
    public SettingsChange Change(DaemonOptions options) => _reload.Change(options);

    private static async Task<ErgonDaemon> StartAsync(
        DaemonOptions options, Func<DaemonOptions>? read, ILoggerFactory? loggerFactory, TimeProvider? timeProvider, CancellationToken cancellationToken)
    {
        loggerFactory ??= NullLoggerFactory.Instance;
        timeProvider ??= TimeProvider.System;
        var settings = ActiveSettings.Load(options);
        var data = DaemonDirectory.Open(options.DataDirectory);
        var store = await SqliteExecutionStore.OpenAsync(data.StoreOptions(options.Database), timeProvider, cancellationToken);
        ErgonDaemon daemon;
        try
        {
            daemon = new ErgonDaemon(settings, read, data, store, loggerFactory, timeProvider);
        }
        catch
        {
            await store.DisposeAsync();
            throw;
        }

        try
        {
            await daemon.StartAsync(cancellationToken);
            return daemon;
        }
        catch
        {
            await daemon.DisposeAsync();
            throw;
        }
    }

    /// <summary>Stops to take calls and lets go of the executions, as the options say.</summary>
    public async ValueTask DisposeAsync()
    {
        if (Interlocked.Exchange(ref _disposed, 1) != 0) return;
        var detach = _options.OnShutdown == DisposeBehavior.Detach;
        DaemonLog.Stopping(_logger, detach);

        // Those who wait for an execution that is cancelled now learn how it ended; those of one that goes on ask the next daemon.
        if (detach) await _stopping.CancelAsync();
        await _executors.DisposeAsync();
        using (var deadline = new CancellationTokenSource(_options.ShutdownTimeout))
        {
            if (!detach) _stopping.CancelAfter(LastAnswers);
            await _application.StopAsync(deadline.Token);
        }

        await _application.DisposeAsync();
        await _audit.DisposeAsync();
        await _store.DisposeAsync();
        _socket?.Dispose();
        _stopping.Dispose();
    }

    private async Task StartAsync(CancellationToken cancellationToken)
    {
        await Task.WhenAll(_executors.All.Select(e => e.StartAsync())).WaitAsync(cancellationToken);
        try
        {
            await _application.StartAsync(cancellationToken);
        }
        catch (IOException e)
        {
            throw new ExecutorException(ErrorCode.StorageFailed, $"The daemon cannot listen: {e.Message} Choose another address, or stop who uses it.", innerException: e);
        }

        if (_drain.State is { } state) DaemonLog.Draining(_logger, state.Since, state.By);
        if (_options.SocketPath is { } path) DaemonLog.Listening(_logger, $"unix://{Path.GetFullPath(path)}");
        if (_options.Network is { } network) DaemonLog.Listening(_logger, network.Address.ToString());
    }
}
