using System.Net.Security;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using System.Text;
using Docker.DotNet.Handler.Abstractions;
using Ergon.Images;
using Microsoft.Net.Http.Client;

namespace Ergon.Docker;

/// <summary>Mutual TLS with an Engine, as <c>DOCKER_TLS_VERIFY</c> and <c>DOCKER_CERT_PATH</c> describe it.</summary>
internal sealed class TlsAuthentication(X509Certificate2? client, X509Certificate2? authority) : IAuthProvider
{
    public bool TlsEnabled => true;

    /// <summary>The authentication that the options ask for, else the environment, else the Docker context.</summary>
    /// <exception cref="ExecutorException"><see cref="ErrorCode.BackendUnavailable"/> when the files cannot be read.</exception>
    public static TlsAuthentication? Find(DockerOptions options)
    {
        if (options.ClientCertificate is not null || options.CertificateAuthority is not null)
            return new TlsAuthentication(options.ClientCertificate, options.CertificateAuthority);
        if (!string.IsNullOrEmpty(Environment.GetEnvironmentVariable("DOCKER_TLS_VERIFY")))
            return Load(Environment.GetEnvironmentVariable("DOCKER_CERT_PATH") ?? options.ConfigDirectory ?? ClientDirectory(), "DOCKER_TLS_VERIFY asks for TLS");
        return options.Endpoint is null && ContextDirectory() is { } context ? Load(context, "The Docker context asks for TLS") : null;
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

    // Where the Docker client keeps the certificates of the current context, if that has any and DOCKER_HOST does not overrule it.
    private static string? ContextDirectory()
    {
        if (!string.IsNullOrEmpty(Environment.GetEnvironmentVariable("DOCKER_HOST"))) return null;
        if ((Environment.GetEnvironmentVariable("DOCKER_CONTEXT") is { Length: > 0 } named ? named : ClientConfig.CurrentContext(ClientDirectory())) is not { } name) return null;
        var directory = Path.Combine(ClientDirectory(), "contexts", "tls", Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(name))), "docker");
        return File.Exists(Path.Combine(directory, "cert.pem")) ? directory : null;
    }

    private static string ClientDirectory() => RegistryCredentialStore.DefaultDirectory();

    public HttpMessageHandler ConfigureHandler(HttpMessageHandler handler)
    {
        var certificates = client is null ? [] : new X509CertificateCollection { client };
        switch (handler is DelegatingHandler { InnerHandler: { } inner } ? inner : handler)
        {
            case SocketsHttpHandler sockets:
                sockets.SslOptions.ClientCertificates = certificates;
                sockets.SslOptions.RemoteCertificateValidationCallback = Validate;
                break;
            case ManagedHandler managed:
                managed.ClientCertificates = certificates;
                managed.ServerCertificateValidationCallback = Validate;
                break;
            default:
                throw new NotSupportedException($"{handler.GetType().Name} cannot be given certificates.");
        }

        return handler;
    }

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
