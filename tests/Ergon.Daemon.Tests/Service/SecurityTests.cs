using System.Net;
using System.Net.Security;
using System.Security.Authentication;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using System.Text;

namespace Ergon.Daemon.Tests.Service;

/// <summary>Who may do what.</summary>
public sealed class SecurityTests : IDisposable
{
    private readonly string _certificates = Directory.CreateTempSubdirectory("daemon-certificates-").FullName;

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    public void Dispose() => Directory.Delete(_certificates, recursive: true);

    [Fact]
    public async Task The_socket_is_its_owners_alone()
    {
        await using var daemon = await RunningDaemon.StartAsync();
        if (!OperatingSystem.IsWindows()) File.GetUnixFileMode(daemon.Socket).Should().Be(UnixFileMode.UserRead | UnixFileMode.UserWrite);
    }

    [Fact]
    public async Task Without_anybody_who_may_call_a_port_is_not_listened_on()
    {
        var error = await Assert.ThrowsAsync<ExecutorException>(() => RunningDaemon.StartAsync(o => o with { Network = Listener([]) }, _certificates));
        error.Code.Should().Be(ErrorCode.InvalidRequest);
        error.Message.Should().Contain("tokens");
    }

    [Fact]
    public async Task A_token_allows_what_its_scopes_say()
    {
        await using var daemon = await RunningDaemon.StartAsync(o => o with { Network = Listener([TokenOf("reader", "read"), TokenOf("runner", "read", "run")]) });
        (await StatusAsync(null, HttpMethod.Get, "/v1/executions")).Should().Be(HttpStatusCode.Unauthorized);
        (await StatusAsync("nobody's", HttpMethod.Get, "/v1/executions")).Should().Be(HttpStatusCode.Unauthorized);
        (await StatusAsync("reader", HttpMethod.Get, "/v1/executions")).Should().Be(HttpStatusCode.OK);
        (await StatusAsync("reader", HttpMethod.Post, "/v1/executions")).Should().Be(HttpStatusCode.Forbidden);
        foreach (var path in new[] { "/v1/cleanup", "/v1/drain", "/v1/reload" }) (await StatusAsync("runner", HttpMethod.Post, path)).Should().Be(HttpStatusCode.Forbidden);
        (await StatusAsync("runner", HttpMethod.Delete, "/v1/drain")).Should().Be(HttpStatusCode.Forbidden);
        (await StatusAsync("reader", HttpMethod.Get, "/v1/drain")).Should().Be(HttpStatusCode.OK);
        foreach (var path in new[] { "/livez", "/readyz", "/readyz/process" }) (await StatusAsync(null, HttpMethod.Get, path)).Should().Be(HttpStatusCode.OK);
    }

    [Fact]
    public async Task Old_versions_of_tls_are_refused()
    {
        await using var daemon = await RunningDaemon.StartAsync(o => o with { Network = Listener([TokenOf("reader", "read")]) });
#pragma warning disable SYSLIB0039, CA5397 // What is refused has to be offered.
        using var http = Client(SslProtocols.Tls11);
#pragma warning restore SYSLIB0039, CA5397
        await Assert.ThrowsAsync<HttpRequestException>(() => http.GetAsync(new Uri(Address, "/livez"), Token));
    }

    [Fact]
    public async Task What_the_policy_forbids_is_refused_with_its_field()
    {
        await using var daemon = await RunningDaemon.StartAsync(o => o with { Policy = new DaemonPolicy { Networks = [NetworkMode.None], VolumeRoots = ["/srv/jobs"] } });
        var (status, problem) = await daemon.SendAsync(HttpMethod.Post, "/v1/executions", RunningDaemon.Script("p", "true", ""","network":{"mode":"host"}"""));
        status.Should().Be(HttpStatusCode.BadRequest);
        problem.GetProperty("problems")[0].GetProperty("kind").GetString().Should().Be("forbidden");
        problem.GetProperty("problems")[0].GetProperty("field").GetString().Should().Be("network.mode");
        (_, problem) = await daemon.SendAsync(HttpMethod.Post, "/v1/executions", RunningDaemon.Script("p", "true", ""","inputs":[{"source":"/etc","target":"/data"}]"""));
        problem.GetProperty("problems")[0].GetProperty("field").GetString().Should().StartWith("inputs[0]");
    }

    [Fact]
    public async Task Who_did_what_is_taken_down_and_secrets_are_not()
    {
        await using var daemon = await RunningDaemon.StartAsync();
        await daemon.SendAsync(HttpMethod.Post, "/v1/executions?wait=true", RunningDaemon.Script("audited", "true", ""","environment":{"PASSWORD":"hunter2"}"""));
        await daemon.SendAsync(HttpMethod.Delete, "/v1/executions/audited");
        await daemon.SendAsync(HttpMethod.Delete, "/v1/executions/audited");
        var log = "";
        while (!log.Contains("ExecutionNotFound", StringComparison.Ordinal))
        {
            log = await File.ReadAllTextAsync(daemon.AuditLog, Token);
            await Task.Delay(TimeSpan.FromMilliseconds(20), TimeProvider.System, Token);
        }

        log.Should().Contain("\"action\":\"start\",\"target\":\"audited\",\"outcome\":\"ok\"").And.Contain("\"action\":\"remove\"").And.Contain("uid:").And.NotContain("hunter2");
    }

    private static Uri Address { get; } = new($"https://localhost:{FreePort()}");

    private static DaemonToken TokenOf(string token, params string[] scopes) =>
        new() { Name = token, Sha256 = Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(token))), Scopes = scopes };

    private NetworkListener Listener(IReadOnlyList<DaemonToken> tokens)
    {
        using var key = RSA.Create(2048);
        var request = new CertificateRequest("CN=localhost", key, HashAlgorithmName.SHA256, RSASignaturePadding.Pkcs1);
        using var certificate = request.CreateSelfSigned(TimeProvider.System.GetUtcNow().AddDays(-1), TimeProvider.System.GetUtcNow().AddDays(1));
        var path = Path.Combine(_certificates, "daemon.pem");
        File.WriteAllText(path, certificate.ExportCertificatePem() + "\n" + key.ExportPkcs8PrivateKeyPem());
        return new NetworkListener { Address = Address, Certificate = path, Tokens = tokens };
    }

    private async Task<HttpStatusCode> StatusAsync(string? token, HttpMethod method, string path)
    {
        using var http = Client(SslProtocols.None);
        using var request = new HttpRequestMessage(method, new Uri(Address, path));
        if (token is not null) request.Headers.Authorization = new("Bearer", token);
        using var response = await http.SendAsync(request, Token);
        return response.StatusCode;
    }

    // The certificate is the test's own, and its own authority.
    private HttpClient Client(SslProtocols protocols)
    {
        var policy = new X509ChainPolicy { TrustMode = X509ChainTrustMode.CustomRootTrust, RevocationMode = X509RevocationMode.NoCheck };
        policy.CustomTrustStore.ImportFromPemFile(Path.Combine(_certificates, "daemon.pem"));
        return new HttpClient(new SocketsHttpHandler { SslOptions = new SslClientAuthenticationOptions { EnabledSslProtocols = protocols, CertificateChainPolicy = policy } });
    }

    private static int FreePort()
    {
        using var listener = new System.Net.Sockets.TcpListener(IPAddress.Loopback, 0);
        listener.Start();
        return ((IPEndPoint)listener.LocalEndpoint).Port;
    }
}
