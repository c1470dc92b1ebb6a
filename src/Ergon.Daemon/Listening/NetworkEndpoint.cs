using System.Net;
using System.Net.Security;
using System.Security.Authentication;
using System.Security.Cryptography.X509Certificates;
using Ergon.Daemon.Settings;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Microsoft.AspNetCore.Server.Kestrel.Https;

namespace Ergon.Daemon.Listening;

/// <summary>A TCP port: TLS 1.2 or newer, and client certificates where they are asked for. Each connection begins with the settings that are in force then.</summary>
internal static class NetworkEndpoint
{
    // A client that says nothing holds a connection for no longer.
    private static readonly TimeSpan HandshakeTime = TimeSpan.FromSeconds(10);

    public static void Listen(KestrelServerOptions kestrel, NetworkListener network, LiveSettings settings)
    {
        if (!TryReadAddress(network.Address, out var address)) throw new InvalidOperationException("The address was not checked.");
        kestrel.Listen(address, network.Address.Port, listen =>
        {
            listen.Protocols = HttpProtocols.Http1AndHttp2;
            listen.UseHttps(new TlsHandshakeCallbackOptions { HandshakeTimeout = HandshakeTime, OnConnection = _ => ValueTask.FromResult(Handshake(settings.Current)) });
        });
    }

    /// <summary>Adds a problem when the address cannot be listened on.</summary>
    public static void CheckAddress(NetworkListener network, RequestProblems problems)
    {
        if (!network.Address.IsAbsoluteUri || network.Address.Scheme != Uri.UriSchemeHttps || !TryReadAddress(network.Address, out _))
            problems.Invalid("network.address", $"is '{network.Address}'; give https://ADDRESS:PORT with the number of an address of this host, or localhost.");
    }

    private static SslServerAuthenticationOptions Handshake(ActiveSettings settings) => new()
    {
        ServerCertificateContext = settings.Certificates!.Context,
        EnabledSslProtocols = SslProtocols.Tls12 | SslProtocols.Tls13,
        ApplicationProtocols = [SslApplicationProtocol.Http2, SslApplicationProtocol.Http11],
        CertificateRevocationCheckMode = X509RevocationMode.NoCheck,

        // Asked for, and not demanded: a token proves as well who calls.
        ClientCertificateRequired = settings.Callers!.Authorities.Count > 0,
        RemoteCertificateValidationCallback = (_, certificate, _, _) => certificate is null || (certificate is X509Certificate2 known && settings.Callers.Trusts(known)),
    };

    private static bool TryReadAddress(Uri uri, out IPAddress address)
    {
        if (uri.Host == "localhost") address = IPAddress.Loopback;
        else if (!IPAddress.TryParse(uri.Host.Trim('[', ']'), out address!)) return false;
        return true;
    }
}
