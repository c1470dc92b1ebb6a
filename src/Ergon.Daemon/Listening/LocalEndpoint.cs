using System.Globalization;
using Ergon.Daemon.Security;
using Microsoft.AspNetCore.Connections;
using Microsoft.AspNetCore.Server.Kestrel.Core;

namespace Ergon.Daemon.Listening;

/// <summary>The Unix socket: HTTP/1.1 and HTTP/2 without TLS, from callers whom the kernel names.</summary>
internal static class LocalEndpoint
{
    public static void Configure(ListenOptions listen, TimeProvider time)
    {
        listen.Protocols = HttpProtocols.Http1AndHttp2;
        listen.Use(next => connection =>
        {
            connection.Features.Set(CallerOf(connection));
            return next(connection);
        });
        listen.Use(next => new ProtocolDetector(next, time).OnConnectionAsync);
    }

    // The socket's mode lets its owner, and root, connect, and nobody else.
    private static Caller CallerOf(ConnectionContext connection) => PeerCredentials.Of(connection) is { } peer
        ? new Caller(string.Create(CultureInfo.InvariantCulture, $"uid:{peer.UserId}"), Scopes.All)
        : new Caller("uid:unknown", Scopes.All);
}
