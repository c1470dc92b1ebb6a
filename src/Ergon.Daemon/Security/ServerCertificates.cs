using System.Net.Security;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;

namespace Ergon.Daemon.Security;

/// <summary>What the daemon proves with who it is: its certificate, and those that lead to its authority.</summary>
internal sealed record ServerCertificates(SslStreamCertificateContext Context)
{
    public string Thumbprint => Context.TargetCertificate.Thumbprint;

    /// <summary>Reads the files; <see langword="null"/> after a problem was added.</summary>
    public static ServerCertificates? Read(NetworkListener network, RequestProblems problems)
    {
        try
        {
            var others = new X509Certificate2Collection();
            others.ImportFromPemFile(network.Certificate);
            var own = X509Certificate2.CreateFromPemFile(network.Certificate, network.Key ?? network.Certificate);
            return new ServerCertificates(SslStreamCertificateContext.Create(own, others, offline: true));
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or CryptographicException)
        {
            problems.Invalid("network.certificate", $"cannot be used: {e.Message}");
            return null;
        }
    }
}
