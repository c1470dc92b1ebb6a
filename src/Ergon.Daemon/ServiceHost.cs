using Ergon.Daemon.Http;
using Ergon.Daemon.Listening;
using Ergon.Daemon.Rpc;
using Ergon.Daemon.Security;
using Ergon.Daemon.Settings;
using Ergon.Daemon.Telemetry;
using Grpc.Health.V1;
using Grpc.Reflection;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Microsoft.AspNetCore.Server.Kestrel.Transport.Sockets;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using P = Ergon.Protocol.V1;

namespace Ergon.Daemon;

/// <summary>Puts the interfaces of a daemon on a web server, without anything that it does not need.</summary>
internal static class ServiceHost
{
    // Requests hold provision scripts; nothing else in them is large.
    private const int MaxRequestBytes = 32 * 1024 * 1024;
    private const int MaxConnections = 4096;
    private const int MaxStreamsPerConnection = 2000;

    public static WebApplication Build(
        LiveSettings settings, PrivateSocket? socket, Operations operations, DaemonIdentity identity,
        HttpApi http, AuditLog audit, ILoggerFactory loggerFactory, TimeProvider time)
    {
        var options = settings.Current.Options;
        var builder = WebApplication.CreateEmptyBuilder(new WebApplicationOptions { ApplicationName = "ergon" });
        builder.WebHost.UseKestrelCore();
        if (options.Network is not null) builder.WebHost.UseKestrelHttpsConfiguration();
        builder.Services.AddSingleton(loggerFactory);
        builder.Services.AddRoutingCore();
        builder.Services.AddSingleton(operations);
        builder.Services.AddSingleton(time);
        builder.Services.AddSingleton(identity);
        AddRpc(builder.Services);
        DaemonTelemetry.Add(builder);
        builder.Services.Configure<KestrelServerOptions>(kestrel => Listen(kestrel, settings, time));
        if (socket is not null) builder.Services.Configure<SocketTransportOptions>(transport => BindTo(transport, socket));
        var application = builder.Build();
        application.UseRouting();
        application.Use(next => new Gate(next, settings, audit).InvokeAsync);
        application.MapGrpcService<ExecutorRpc>();
        application.MapGrpcService<HealthRpc>();
        application.MapGrpcService<ReflectionServiceImpl>();
        DaemonTelemetry.Map(application);
        http.Map(application);
        return application;
    }

    private static void AddRpc(IServiceCollection services)
    {
        services.AddGrpc(options =>
        {
            options.MaxReceiveMessageSize = MaxRequestBytes;
            options.MaxSendMessageSize = null;
            options.Interceptors.Add<CallErrors>();
        });

        // The descriptors are given by name: found by reflection they would not be there in a native file.
        services.AddSingleton(new ReflectionServiceImpl(P.ExecutorService.Descriptor, Health.Descriptor));
    }

    private static void Listen(KestrelServerOptions kestrel, LiveSettings settings, TimeProvider time)
    {
        var options = settings.Current.Options;
        kestrel.AddServerHeader = false;

        // What stands in for the TLS handshake on the socket makes Kestrel expect 'https'.
        kestrel.AllowAlternateSchemes = true;
        kestrel.Limits.MaxRequestBodySize = MaxRequestBytes;
        kestrel.Limits.MaxConcurrentConnections = MaxConnections;
        kestrel.Limits.Http2.MaxStreamsPerConnection = MaxStreamsPerConnection;
        if (options.SocketPath is { } path) kestrel.ListenUnixSocket(Path.GetFullPath(path), listen => LocalEndpoint.Configure(listen, time));
        if (options.Network is { } network) NetworkEndpoint.Listen(kestrel, network, settings);
    }

    private static void BindTo(SocketTransportOptions transport, PrivateSocket socket)
    {
        var other = transport.CreateBoundListenSocket;
        transport.CreateBoundListenSocket = endpoint => endpoint is System.Net.Sockets.UnixDomainSocketEndPoint ? socket.Socket : other(endpoint);
    }
}
