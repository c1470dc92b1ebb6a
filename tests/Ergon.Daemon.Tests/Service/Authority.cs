using System.Net;
using System.Net.Security;
using System.Net.Sockets;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;

namespace Ergon.Daemon.Tests.Service;

/// <summary>A certificate authority of a test's own.</summary>
internal sealed class Authority : IDisposable
{
    private const string ServerUse = "1.3.6.1.5.5.7.3.1";
    private const string ClientUse = "1.3.6.1.5.5.7.3.2";

    private readonly X509Certificate2 _own;

    public Authority(string name)
    {
        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var request = new CertificateRequest($"CN={name}", key, HashAlgorithmName.SHA256);
        request.CertificateExtensions.Add(new X509BasicConstraintsExtension(true, false, 0, true));
        _own = request.CreateSelfSigned(TimeProvider.System.GetUtcNow().AddDays(-1), TimeProvider.System.GetUtcNow().AddDays(2));
    }

    /// <summary>Writes its certificate.</summary>
    public string Write(string directory, string file)
    {
        var path = Path.Combine(directory, file);
        File.WriteAllText(path, _own.ExportCertificatePem());
        return path;
    }

    /// <summary>Writes a certificate for a server on this host, with its key.</summary>
    public string WriteServer(string directory, string file = "daemon.pem")
    {
        var (certificate, key) = Issue("localhost", ServerUse);
        using (certificate)
        using (key)
        {
            var path = Path.Combine(directory, file);
            File.WriteAllText(path, certificate.ExportCertificatePem() + "\n" + key.ExportPkcs8PrivateKeyPem());
            return path;
        }
    }

    /// <summary>A certificate for a client, with its key.</summary>
    public X509Certificate2 IssueClient(string name)
    {
        var (certificate, key) = Issue(name, ClientUse);
        using (certificate)
        using (key) return certificate.CopyWithPrivateKey(key);
    }

    /// <summary>What a client that trusts this authority alone does; with a certificate of its own, if it has one.</summary>
    public SslClientAuthenticationOptions Client(X509Certificate2? certificate = null)
    {
        var policy = new X509ChainPolicy { TrustMode = X509ChainTrustMode.CustomRootTrust, RevocationMode = X509RevocationMode.NoCheck };
        policy.CustomTrustStore.Add(_own);
        return new SslClientAuthenticationOptions
        {
            TargetHost = "localhost",
            CertificateChainPolicy = policy,
            ClientCertificateContext = certificate is null ? null : SslStreamCertificateContext.Create(certificate, null, offline: true),
        };
    }

    public static Uri FreeAddress()
    {
        using var listener = new TcpListener(IPAddress.Loopback, 0);
        listener.Start();
        return new Uri($"https://localhost:{((IPEndPoint)listener.LocalEndpoint).Port}");
    }

    public void Dispose() => _own.Dispose();

    private (X509Certificate2 Certificate, ECDsa Key) Issue(string name, string use)
    {
        var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var request = new CertificateRequest($"CN={name}", key, HashAlgorithmName.SHA256);
        var names = new SubjectAlternativeNameBuilder();
        names.AddDnsName(name);
        request.CertificateExtensions.Add(names.Build());
        request.CertificateExtensions.Add(new X509EnhancedKeyUsageExtension([new Oid(use)], false));
        return (request.Create(_own, TimeProvider.System.GetUtcNow().AddDays(-1), TimeProvider.System.GetUtcNow().AddDays(1), RandomNumberGenerator.GetBytes(8)), key);
    }
}
