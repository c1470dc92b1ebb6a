using System.Net.Http.Headers;
using System.Net.Security;
using System.Net.Sockets;
using System.Security.Cryptography.X509Certificates;
using Grpc.Net.Client;

namespace Ergon.Client;

/// <summary>Opens the channel to a daemon: over its Unix socket, or over TLS.</summary>
internal static class DaemonChannel
{
    // The largest message is a result with both streams; how large they are is the request's business.
    private const int MaxMessageBytes = 256 * 1024 * 1024;

    private static readonly TimeSpan ConnectTime = TimeSpan.FromSeconds(10);
    private static readonly TimeSpan PingDelay = TimeSpan.FromSeconds(20);
    private static readonly TimeSpan PingTime = TimeSpan.FromSeconds(20);

    /// <exception cref="ArgumentException">The address is neither a Unix socket's nor one of TLS.</exception>
    public static GrpcChannel Open(RemoteExecutorOptions options)
    {
        var address = options.Address;
        var handler = new SocketsHttpHandler
        {
            UseProxy = false,
            AllowAutoRedirect = false,
            ConnectTimeout = ConnectTime,
            EnableMultipleHttp2Connections = true,
            KeepAlivePingDelay = PingDelay,
            KeepAlivePingTimeout = PingTime,
            KeepAlivePingPolicy = HttpKeepAlivePingPolicy.WithActiveRequests,
            PooledConnectionIdleTimeout = Timeout.InfiniteTimeSpan,
        };
        if (address.Scheme == "unix") handler.ConnectCallback = (_, token) => ConnectAsync(PathOf(address), token);
        else if (address.Scheme == Uri.UriSchemeHttps) handler.SslOptions = Secure(options);
        else throw new ArgumentException($"'{address}' is not the address of a daemon; give unix:///path/to/socket or https://host:port.", nameof(options));
        return GrpcChannel.ForAddress(
            address.Scheme == "unix" ? new Uri("http://daemon") : address,
            new GrpcChannelOptions
            {
                HttpHandler = options.BearerToken is { } token ? new TokenHandler(token) { InnerHandler = handler } : handler,
                DisposeHttpClient = true,
                MaxReceiveMessageSize = MaxMessageBytes,
                LoggerFactory = options.LoggerFactory,
            });
    }

    private static string PathOf(Uri address) => Uri.UnescapeDataString(address.AbsolutePath);

    private static async ValueTask<Stream> ConnectAsync(string path, CancellationToken cancellationToken)
    {
        var socket = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        try
        {
            await socket.ConnectAsync(new UnixDomainSocketEndPoint(path), cancellationToken);
            return new NetworkStream(socket, ownsSocket: true);
        }
        catch
        {
            socket.Dispose();
            throw;
        }
    }

    private static SslClientAuthenticationOptions Secure(RemoteExecutorOptions options)
    {
        var secure = new SslClientAuthenticationOptions();
        if (options.ClientCertificate is { } certificate) secure.ClientCertificateContext = SslStreamCertificateContext.Create(certificate, null, offline: true);
        if (options.TrustedAuthorities.Count == 0) return secure;
        secure.CertificateChainPolicy = new X509ChainPolicy
        {
            TrustMode = X509ChainTrustMode.CustomRootTrust,
            RevocationMode = X509RevocationMode.NoCheck,
        };
        secure.CertificateChainPolicy.CustomTrustStore.AddRange(options.TrustedAuthorities);
        return secure;
    }

    private sealed class TokenHandler(string token) : DelegatingHandler
    {
        protected override Task<HttpResponseMessage> SendAsync(HttpRequestMessage request, CancellationToken cancellationToken)
        {
            request.Headers.Authorization = new AuthenticationHeaderValue("Bearer", token);
            return base.SendAsync(request, cancellationToken);
        }
    }
}
