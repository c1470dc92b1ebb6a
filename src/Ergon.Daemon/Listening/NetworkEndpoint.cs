using System.Net;
using System.Net.Security;
using System.Security.Authentication;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using Ergon.Daemon.Security;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Microsoft.AspNetCore.Server.Kestrel.Https;

namespace Ergon.Daemon.Listening;

/// <summary>A TCP port: TLS 1.2 or newer, and client certificates where they are asked for.</summary>
internal static class NetworkEndpoint
{
    /// <exception cref="ExecutorException"><see cref="ErrorCode.InvalidRequest"/>: the address or the certificate cannot be used.</exception>
    public static void Listen(KestrelServerOptions kestrel, NetworkListener network, CallerDirectory callers)
    {
        if (network.Address.Scheme != Uri.UriSchemeHttps || !TryReadAddress(network.Address, out var address))
            throw Invalid("network.address", $"is '{network.Address}'; give https://ADDRESS:PORT with the number of an address of this host, or localhost.");
        var certificates = ReadCertificates(network);
        kestrel.Listen(address, network.Address.Port, listen =>
        {
            listen.Protocols = HttpProtocols.Http1AndHttp2;
            listen.UseHttps(https =>
            {
                https.ServerCertificate = certificates.Own;
                https.ServerCertificateChain = certificates.Others;
                https.SslProtocols = SslProtocols.Tls12 | SslProtocols.Tls13;
                if (callers.Authorities.Count == 0) return;
                https.ClientCertificateMode = ClientCertificateMode.AllowCertificate;
                https.ClientCertificateValidation = (certificate, _, errors) => IsTrusted(certificate, errors, callers.Authorities);
            });
        });
    }

    // The system's authorities have no say in who may call.
    private static bool IsTrusted(X509Certificate2 certificate, SslPolicyErrors errors, X509Certificate2Collection authorities)
    {
        if (errors.HasFlag(SslPolicyErrors.RemoteCertificateNotAvailable)) return false;
        using var chain = new X509Chain();
        chain.ChainPolicy.TrustMode = X509ChainTrustMode.CustomRootTrust;
        chain.ChainPolicy.CustomTrustStore.AddRange(authorities);
        chain.ChainPolicy.RevocationMode = X509RevocationMode.NoCheck;
        chain.ChainPolicy.ApplicationPolicy.Add(new Oid("1.3.6.1.5.5.7.3.2"));
        return chain.Build(certificate);
    }

    private static (X509Certificate2 Own, X509Certificate2Collection Others) ReadCertificates(NetworkListener network)
    {
        try
        {
            var others = new X509Certificate2Collection();
            others.ImportFromPemFile(network.Certificate);
            return (X509Certificate2.CreateFromPemFile(network.Certificate, network.Key ?? network.Certificate), others);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or CryptographicException)
        {
            throw Invalid("network.certificate", $"cannot be used: {e.Message}");
        }
    }

    private static bool TryReadAddress(Uri uri, out IPAddress address)
    {
        if (uri.Host == "localhost") address = IPAddress.Loopback;
        else if (!IPAddress.TryParse(uri.Host.Trim('[', ']'), out address!)) return false;
        return true;
    }

    private static ExecutorException Invalid(string field, string message) => new([new RequestProblem(field, message)], null);
}
