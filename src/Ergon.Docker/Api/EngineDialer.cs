using System.IO.Pipes;
using System.Net.Security;
using System.Net.Sockets;

namespace Ergon.Docker.Api;

/// <summary>Opens connections to an Engine: over a Unix socket, a named pipe or TCP, with TLS where it is asked for.</summary>
/// <param name="endpoint">The Engine's address.</param>
/// <param name="tls">How to prove who both sides are; <see langword="null"/>: as the system does, where the address is <c>https</c>.</param>
internal sealed class EngineDialer(Uri endpoint, TlsAuthentication? tls)
{
    private const int PlainPort = 2375;
    private const int TlsPort = 2376;

    /// <summary>What the Engine is called in requests.</summary>
    public string Host => endpoint.Scheme is "unix" or "npipe" ? "docker" : endpoint.Authority;

    private bool UsesTls => tls is not null || endpoint.Scheme == "https";

    /// <summary>Opens a connection.</summary>
    public async ValueTask<Stream> DialAsync(CancellationToken cancellationToken)
    {
        if (endpoint.Scheme == "npipe") return await DialPipeAsync(cancellationToken);
        var connection = await DialSocketAsync(cancellationToken);
        if (!UsesTls || endpoint.Scheme == "unix") return connection;
        var secured = new SslStream(connection);
        try
        {
            await secured.AuthenticateAsClientAsync((tls ?? TlsAuthentication.OfTheSystem).OptionsFor(endpoint.Host), cancellationToken);
            return secured;
        }
        catch
        {
            await secured.DisposeAsync();
            throw;
        }
    }

    private async ValueTask<Stream> DialSocketAsync(CancellationToken cancellationToken)
    {
        var isUnix = endpoint.Scheme == "unix";
        var socket = isUnix ? new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified) : new Socket(SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
        try
        {
            if (isUnix) await socket.ConnectAsync(new UnixDomainSocketEndPoint(endpoint.LocalPath), cancellationToken);
            else await socket.ConnectAsync(endpoint.Host, Port, cancellationToken);
            return new NetworkStream(socket, ownsSocket: true);
        }
        catch
        {
            socket.Dispose();
            throw;
        }
    }

    private int Port => endpoint is { IsDefaultPort: true } or { Port: < 1 } ? UsesTls ? TlsPort : PlainPort : endpoint.Port;

    // npipe://./pipe/docker_engine
    private async ValueTask<Stream> DialPipeAsync(CancellationToken cancellationToken)
    {
        var name = endpoint.AbsolutePath.Split('/', StringSplitOptions.RemoveEmptyEntries)[^1];
        var pipe = new NamedPipeClientStream(endpoint.Host is "" or "localhost" ? "." : endpoint.Host, name, PipeDirection.InOut, PipeOptions.Asynchronous);
        try
        {
            await pipe.ConnectAsync(cancellationToken);
            return pipe;
        }
        catch
        {
            await pipe.DisposeAsync();
            throw;
        }
    }
}
