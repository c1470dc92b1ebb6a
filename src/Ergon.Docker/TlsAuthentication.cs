using System.Net.Security;
using System.Security.Cryptography.X509Certificates;
using Docker.DotNet.Handler.Abstractions;
using Microsoft.Net.Http.Client;

namespace Ergon.Docker;

/// <summary>Mutual TLS with an Engine, as <c>DOCKER_TLS_VERIFY</c> and <c>DOCKER_CERT_PATH</c> describe it.</summary>
internal sealed class TlsAuthentication(X509Certificate2? client, X509Certificate2? authority) : IAuthProvider
{
    public bool TlsEnabled => true;

    /// <summary>The authentication that the options, or else the environment, ask for.</summary>
    /// <exception cref="ExecutorException"><see cref="ErrorCode.BackendUnavailable"/> when the files cannot be read.</exception>
    public static TlsAuthentication? Find(DockerOptions options)
    {
        if (options.ClientCertificate is not null || options.CertificateAuthority is not null)
            return new TlsAuthentication(options.ClientCertificate, options.CertificateAuthority);
        if (string.IsNullOrEmpty(Environment.GetEnvironmentVariable("DOCKER_TLS_VERIFY"))) return null;
        var home = Environment.GetFolderPath(Environment.SpecialFolder.UserProfile);
        var directory = Environment.GetEnvironmentVariable("DOCKER_CERT_PATH") ?? options.ConfigDirectory ?? Path.Combine(home, ".docker");
        try
        {
            return new TlsAuthentication(
                X509Certificate2.CreateFromPemFile(Path.Combine(directory, "cert.pem"), Path.Combine(directory, "key.pem")),
                X509CertificateLoader.LoadCertificateFromFile(Path.Combine(directory, "ca.pem")));
        }
        catch (Exception e) when (e is IOException or System.Security.Cryptography.CryptographicException)
        {
            throw new ExecutorException(
                ErrorCode.BackendUnavailable,
                $"DOCKER_TLS_VERIFY asks for TLS, but the certificates in {directory} cannot be read: {e.Message} It needs ca.pem, cert.pem and key.pem (DOCKER_CERT_PATH).",
                innerException: e);
        }
    }

    public HttpMessageHandler ConfigureHandler(HttpMessageHandler handler)
    {
        var certificates = client is null ? [] : new X509CertificateCollection { client };
        switch (handler)
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
        if (errors == SslPolicyErrors.None) return true;
        if (authority is null || certificate is null || errors != SslPolicyErrors.RemoteCertificateChainErrors) return false;
        using var own = new X509Chain();
        own.ChainPolicy.TrustMode = X509ChainTrustMode.CustomRootTrust;
        own.ChainPolicy.CustomTrustStore.Add(authority);
        own.ChainPolicy.RevocationMode = X509RevocationMode.NoCheck;
        return own.Build(new X509Certificate2(certificate));
    }
}
