using System.Net;
using System.Net.Sockets;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;

namespace Ergon.Docker.Tests.Connecting;

/// <summary>An Engine on TCP that asks for client certificates.</summary>
[Collection(nameof(ProcessEnvironment))]
public sealed class TlsTests : DockerTests
{
    [Fact]
    public async Task An_engine_behind_mutual_tls_runs_jobs_for_those_with_a_certificate()
    {
        var directory = NewDirectory();
        using var authority = NewAuthority();
        using var server = Issue(authority, "127.0.0.1", "1.3.6.1.5.5.7.3.1");
        using var client = Issue(authority, "client", "1.3.6.1.5.5.7.3.2");
        Write(directory, "server", server);
        Write(directory, "", client);
        await File.WriteAllTextAsync(Path.Combine(directory, "ca.pem"), authority.ExportCertificatePem(), Token);
        var port = FreePort();
        await using var engine = await OwnEngine.StartAsync(
            Token, "-H", $"tcp://127.0.0.1:{port}", "--tlsverify", $"--tlscacert={directory}/ca.pem", $"--tlscert={directory}/server-cert.pem", $"--tlskey={directory}/server-key.pem");
        var endpoint = new Uri($"tcp://127.0.0.1:{port}");
        var options = new DockerOptions { Endpoint = endpoint, ClientCertificate = client, CertificateAuthority = authority };

        var executor = NewExecutor(options);
        var result = await executor.RunAsync(Request(Shell("seq 20000; exit 3")), Token);
        result.ExitCode.Should().Be(3);
        result.Stdout.TotalBytes.Should().Be(108_894);
        (await executor.FingerprintAsync(Token)).Available.Should().BeTrue();
        await CancelAsync(executor);

        using (new Variable("DOCKER_TLS_VERIFY", "1"))
        using (new Variable("DOCKER_CERT_PATH", directory))
            (await RunAsync(Shell("echo by variables"), new DockerOptions { Endpoint = endpoint })).Stdout.Text.Should().Be("by variables\n");

        using (new Variable("DOCKER_CONFIG", WriteContext(directory, endpoint)))
        using (new Variable("DOCKER_HOST", null))
        {
            await using var driver = new DockerDriver();
            (await driver.FingerprintAsync(Token)).Available.Should().BeTrue();
        }

        await RefusesAsync(options with { ClientCertificate = null });
        using var stranger = NewAuthority();
        await RefusesAsync(options with { CertificateAuthority = stranger });
        using var strangers = Issue(stranger, "client", "1.3.6.1.5.5.7.3.2");
        await RefusesAsync(options with { ClientCertificate = strangers });
    }

    [Fact]
    public async Task Certificates_that_are_not_where_the_variable_says_are_named()
    {
        var directory = NewDirectory();
        using var verify = new Variable("DOCKER_TLS_VERIFY", "1");
        using var path = new Variable("DOCKER_CERT_PATH", directory);
        var error = await RefusalAsync(ErrorCode.BackendUnavailable, Request(Shell("true")), new DockerOptions { Endpoint = new Uri("tcp://127.0.0.1:1") });
        error.Message.Should().Contain(directory).And.Contain("ca.pem");
    }

    private string WriteContext(string certificates, Uri endpoint)
    {
        var directory = NewDirectory();
        EndpointTests.WriteContext(directory, endpoint.ToString());
        var tls = Directory.CreateDirectory(Path.Combine(Directory.GetDirectories(Path.Combine(directory, "contexts", "meta")).Single().Replace("meta", "tls", StringComparison.Ordinal), "docker"));
        foreach (var file in new[] { "ca.pem", "cert.pem", "key.pem" }) File.Copy(Path.Combine(certificates, file), Path.Combine(tls.FullName, file));
        return directory;
    }

    private async Task RefusesAsync(DockerOptions options)
    {
        var error = await RefusalAsync(ErrorCode.BackendUnavailable, Request(Shell("true")), options);
        error.Message.Should().Contain(options.Endpoint!.ToString());
    }

    private async Task CancelAsync(Executor executor)
    {
        var request = Request(Hanging());
        await executor.StartAsync(request, Token);
        await executor.CancelAsync(request.ExecutionId, Token);
        (await executor.WaitAsync(request.ExecutionId, Token)).Reason.Should().Be(TerminationReason.Cancelled);
    }

    private static X509Certificate2 NewAuthority()
    {
        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var request = new CertificateRequest("CN=ergon tests", key, HashAlgorithmName.SHA256);
        request.CertificateExtensions.Add(new X509BasicConstraintsExtension(true, false, 0, true));
        request.CertificateExtensions.Add(new X509KeyUsageExtension(X509KeyUsageFlags.KeyCertSign, true));
        return request.CreateSelfSigned(TimeProvider.System.GetUtcNow().AddHours(-1), TimeProvider.System.GetUtcNow().AddHours(1));
    }

    private static X509Certificate2 Issue(X509Certificate2 authority, string name, string usage)
    {
        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var request = new CertificateRequest($"CN={name}", key, HashAlgorithmName.SHA256);
        request.CertificateExtensions.Add(new X509EnhancedKeyUsageExtension([new Oid(usage)], false));
        var names = new SubjectAlternativeNameBuilder();
        names.AddIpAddress(IPAddress.Loopback);
        request.CertificateExtensions.Add(names.Build());
        var serial = RandomNumberGenerator.GetBytes(8);
        using var certificate = request.Create(authority, TimeProvider.System.GetUtcNow().AddMinutes(-30), TimeProvider.System.GetUtcNow().AddMinutes(30), serial);
        return certificate.CopyWithPrivateKey(key);
    }

    private static void Write(string directory, string prefix, X509Certificate2 certificate)
    {
        using var key = certificate.GetECDsaPrivateKey()!;
        var start = prefix.Length == 0 ? "" : prefix + "-";
        File.WriteAllText(Path.Combine(directory, start + "cert.pem"), certificate.ExportCertificatePem());
        File.WriteAllText(Path.Combine(directory, start + "key.pem"), key.ExportECPrivateKeyPem());
    }

    private static int FreePort()
    {
        using var listener = new TcpListener(IPAddress.Loopback, 0);
        listener.Start();
        return ((IPEndPoint)listener.LocalEndpoint).Port;
    }
}
