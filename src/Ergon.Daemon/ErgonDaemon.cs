using System.Globalization;
using Ergon.Daemon.Executors;
using Ergon.Daemon.Listening;
using Ergon.Daemon.Rpc;
using Ergon.Daemon.Security;
using Grpc.HealthCheck;
using Grpc.Reflection;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Microsoft.AspNetCore.Server.Kestrel.Transport.Sockets;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;
using P = Ergon.Protocol.V1;

namespace Ergon.Daemon;

/// <summary>Serves executors to many clients, over gRPC and HTTP, for as long as a node runs.</summary>
public sealed class ErgonDaemon : IAsyncDisposable
{
    private readonly DaemonOptions _options;
    private readonly ILogger _logger;
    private readonly CancellationTokenSource _stopping = new();
    private readonly ExecutorSet _executors;
    private readonly AuditLog _audit;
    private readonly PrivateSocket? _socket;
    private readonly WebApplication _application;
    private int _disposed;

    private ErgonDaemon(DaemonOptions options, ILoggerFactory loggerFactory, TimeProvider time)
    {
        _options = options;
        _logger = loggerFactory.CreateLogger<ErgonDaemon>();
        var data = DaemonDirectory.Open(options.DataDirectory);
        _executors = new ExecutorSet([.. ChosenNames(options).Select(name => data.CreateExecutor(name, options, loggerFactory, _logger, time))]);
        _audit = new AuditLog(data.AuditPath, time);
        _socket = options.SocketPath is { } path ? PrivateSocket.Bind(path) : null;
        var operations = new Operations(_executors, _audit, _stopping.Token);
        var identity = new DaemonIdentity(time.GetUtcNow().ToUnixTimeMilliseconds().ToString("x", CultureInfo.InvariantCulture));
        _application = Build(operations, identity, loggerFactory, time);
    }

    /// <summary>Starts a daemon: finds again what a former one left, then takes calls.</summary>
    /// <exception cref="ExecutorException">
    /// <see cref="ErrorCode.StorageFailed"/>: the data directory or the socket cannot be used; <see cref="ErrorCode.NotSupported"/>: an executor
    /// is not known here.
    /// </exception>
    public static async Task<ErgonDaemon> StartAsync(
        DaemonOptions options, ILoggerFactory? loggerFactory = null, TimeProvider? timeProvider = null, CancellationToken cancellationToken = default)
    {
        var daemon = new ErgonDaemon(options, loggerFactory ?? NullLoggerFactory.Instance, timeProvider ?? TimeProvider.System);
        try
        {
            await Task.WhenAll(daemon._executors.All.Select(e => e.StartAsync())).WaitAsync(cancellationToken);
            await daemon._application.StartAsync(cancellationToken);
            if (options.SocketPath is { } path) DaemonLog.Listening(daemon._logger, $"unix://{Path.GetFullPath(path)}");
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
            if (!detach) _stopping.CancelAfter(TimeSpan.FromSeconds(1));
            await _application.StopAsync(deadline.Token);
        }

        await _application.DisposeAsync();
        await _audit.DisposeAsync();
        _socket?.Dispose();
        _stopping.Dispose();
    }

    private static IReadOnlyList<string> ChosenNames(DaemonOptions options) =>
        options.Executors.Count > 0 ? options.Executors : ExecutorFactory.Names;

    private WebApplication Build(Operations operations, DaemonIdentity identity, ILoggerFactory loggerFactory, TimeProvider time)
    {
        var builder = WebApplication.CreateEmptyBuilder(new WebApplicationOptions { ApplicationName = "ergon" });
        builder.WebHost.UseKestrelCore();
        builder.Services.AddSingleton(loggerFactory);
        builder.Services.AddRoutingCore();
        builder.Services.AddSingleton(operations);
        builder.Services.AddSingleton(identity);
        builder.Services.AddGrpc(options =>
        {
            options.MaxReceiveMessageSize = DaemonLimits.MaxRequestBytes;
            options.MaxSendMessageSize = null;
            options.Interceptors.Add<CallErrors>();
        });
        var health = new HealthServiceImpl();
        health.SetStatus("", Grpc.Health.V1.HealthCheckResponse.Types.ServingStatus.Serving);
        health.SetStatus(P.ExecutorService.Descriptor.FullName, Grpc.Health.V1.HealthCheckResponse.Types.ServingStatus.Serving);
        builder.Services.AddSingleton(health);
        builder.Services.AddSingleton(new ReflectionServiceImpl(P.ExecutorService.Descriptor, Grpc.Health.V1.Health.Descriptor));
        builder.Services.Configure<KestrelServerOptions>(options => Listen(options, time));
        if (_socket is { } socket) builder.Services.Configure<SocketTransportOptions>(options => BindTo(options, socket));
        var application = builder.Build();
        application.UseRouting();
        application.MapGrpcService<ExecutorRpc>();
        application.MapGrpcService<HealthServiceImpl>();
        application.MapGrpcService<ReflectionServiceImpl>();
        return application;
    }

    private void Listen(KestrelServerOptions options, TimeProvider time)
    {
        options.AddServerHeader = false;

        // What stands in for the TLS handshake makes Kestrel expect 'https'.
        options.AllowAlternateSchemes = true;
        options.Limits.MaxRequestBodySize = DaemonLimits.MaxRequestBytes;
        options.Limits.MaxConcurrentConnections = DaemonLimits.MaxConnections;
        options.Limits.Http2.MaxStreamsPerConnection = DaemonLimits.MaxStreamsPerConnection;
        if (_options.SocketPath is { } path) options.ListenUnixSocket(Path.GetFullPath(path), listen => ConfigureLocal(listen, time));
    }

    private static void ConfigureLocal(ListenOptions listen, TimeProvider time)
    {
        listen.Protocols = HttpProtocols.Http1AndHttp2;
        listen.Use(next => connection =>
        {
            // The socket's mode lets its owner, and root, connect, and nobody else.
            if (PeerCredentials.Of(connection) is { } peer)
                connection.Features.Set(new Caller(string.Create(CultureInfo.InvariantCulture, $"uid:{peer.UserId}"), Scopes.All));
            else connection.Features.Set(new Caller("local", Scopes.All));
            return next(connection);
        });
        listen.Use(next => new ProtocolDetector(next, time).OnConnectionAsync);
    }

    private static void BindTo(SocketTransportOptions options, PrivateSocket socket)
    {
        var other = options.CreateBoundListenSocket;
        options.CreateBoundListenSocket = endpoint => endpoint is System.Net.Sockets.UnixDomainSocketEndPoint ? socket.Socket : other(endpoint);
    }
}

/// <summary>How much callers may ask for.</summary>
internal static class DaemonLimits
{
    public const int MaxRequestBytes = 32 * 1024 * 1024;
    public const int MaxConnections = 4096;
    public const int MaxStreamsPerConnection = 2000;
}
