using System.Net.Security;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;

namespace Ergon.Docker.Api;

/// <summary>Mutual TLS with an Engine, as <c>DOCKER_TLS_VERIFY</c> and <c>DOCKER_CERT_PATH</c> describe it.</summary>
internal sealed class TlsAuthentication(X509Certificate2? client, X509Certificate2? authority)
{
    /// <summary>What the system trusts, and no certificate of ours.</summary>
    public static TlsAuthentication OfTheSystem { get; } = new(null, null);

    /// <summary>The authentication that the options ask for, else the environment, else the Docker context.</summary>
    /// <exception cref="ExecutorException"><see cref="ErrorCode.BackendUnavailable"/> when the files cannot be read.</exception>
    public static TlsAuthentication? Find(DockerOptions options)
    {
        if (options.ClientCertificate is not null || options.CertificateAuthority is not null)
            return new TlsAuthentication(options.ClientCertificate, options.CertificateAuthority);
        if (!string.IsNullOrEmpty(Environment.GetEnvironmentVariable("DOCKER_TLS_VERIFY")))
            return Load(Environment.GetEnvironmentVariable("DOCKER_CERT_PATH") ?? options.ConfigDirectory ?? DockerContext.ClientDirectory(), "DOCKER_TLS_VERIFY asks for TLS");
        return options.Endpoint is null && DockerContext.FindCertificates() is { } context ? Load(context, "The Docker context asks for TLS") : null;
    }

    private static TlsAuthentication Load(string directory, string why)
    {
        try
        {
            return new TlsAuthentication(
                X509Certificate2.CreateFromPemFile(Path.Combine(directory, "cert.pem"), Path.Combine(directory, "key.pem")),
                X509CertificateLoader.LoadCertificateFromFile(Path.Combine(directory, "ca.pem")));
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or CryptographicException)
        {
            throw new ExecutorException(
                ErrorCode.BackendUnavailable,
                $"{why}, but the certificates in {directory} cannot be read: {e.Message} It needs ca.pem, cert.pem and key.pem (DOCKER_CERT_PATH).",
                innerException: e);
        }
    }

    /// <summary>How to connect to a host.</summary>
    public SslClientAuthenticationOptions OptionsFor(string host) => new()
    {
        TargetHost = host,
        ClientCertificates = client is null ? [] : [client],
        RemoteCertificateValidationCallback = Validate,
    };

    private bool Validate(object sender, X509Certificate? certificate, X509Chain? chain, SslPolicyErrors errors)
    {
        if (authority is null) return errors == SslPolicyErrors.None;
        if (certificate is null || errors is not (SslPolicyErrors.None or SslPolicyErrors.RemoteCertificateChainErrors)) return false;

        // The given authority alone is trusted, and not those of the system beside it.
        using var own = new X509Chain();
        own.ChainPolicy.TrustMode = X509ChainTrustMode.CustomRootTrust;
        own.ChainPolicy.CustomTrustStore.Add(authority);
        own.ChainPolicy.RevocationMode = X509RevocationMode.NoCheck;
        if (chain is not null)
            foreach (var element in chain.ChainElements) own.ChainPolicy.ExtraStore.Add(element.Certificate);
        using var presented = new X509Certificate2(certificate);
        return own.Build(presented);
    }
}
