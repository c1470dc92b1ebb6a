using System.Net;
using System.Net.Security;
using System.Net.Sockets;
using System.Security.Authentication;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using Ergon.Daemon.Tests.Service;

namespace Ergon.Daemon.Tests.Faults;

/// <summary>Connections to the port of TLS that are no good: each ends in time, and others are served meanwhile.</summary>
public sealed class TlsTests : IAsyncLifetime
{
    // That of a handshake, and then some.
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(20);

    private readonly string _directory = Directory.CreateTempSubdirectory("daemon-tls-").FullName;
    private readonly Authority _authority = new("ours");
    private readonly Authority _foreign = new("foreign");
    private readonly Uri _address = Authority.FreeAddress();
    private RunningDaemon _daemon = null!;

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    public async ValueTask InitializeAsync() => _daemon = await RunningDaemon.StartAsync(o => o with
    {
        Network = new NetworkListener
        {
            Address = _address,
            Certificate = _authority.WriteServer(_directory),
            ClientAuthorities = _authority.Write(_directory, "clients.pem"),
            ClientScopes = new Dictionary<string, IReadOnlyList<string>> { ["scheduler"] = ["read", "run"], ["viewer"] = ["read"] },
        },
    });

    public async ValueTask DisposeAsync()
    {
        (await StatusAsync(_authority.IssueClient("scheduler"))).Should().Be(HttpStatusCode.OK, "others are served");
        await _daemon.DisposeAsync();
        _authority.Dispose();
        _foreign.Dispose();
        Directory.Delete(_directory, recursive: true);
    }

    [Fact]
    public async Task A_certificate_allows_what_its_name_has_scopes_for()
    {
        (await StatusAsync(_authority.IssueClient("viewer"))).Should().Be(HttpStatusCode.OK);
        (await StatusAsync(_authority.IssueClient("viewer"), HttpMethod.Post)).Should().Be(HttpStatusCode.Forbidden);
        (await StatusAsync(_authority.IssueClient("somebody"))).Should().Be(HttpStatusCode.Unauthorized);
        (await StatusAsync(null)).Should().Be(HttpStatusCode.Unauthorized);
    }

    [Fact]
    public async Task A_certificate_of_another_authority_or_for_another_use_is_refused()
    {
        await Assert.ThrowsAsync<HttpRequestException>(() => StatusAsync(_foreign.IssueClient("scheduler")));
        var server = _authority.WriteServer(_directory, "scheduler.pem");
        await Assert.ThrowsAsync<HttpRequestException>(() => StatusAsync(X509Certificate2.CreateFromPemFile(server)));
        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var request = new CertificateRequest("CN=scheduler", key, HashAlgorithmName.SHA256);
        await Assert.ThrowsAsync<HttpRequestException>(() => StatusAsync(request.CreateSelfSigned(TimeProvider.System.GetUtcNow().AddDays(-1), TimeProvider.System.GetUtcNow().AddDays(1))));
    }

    [Fact]
    public async Task Old_versions_of_the_protocol_are_refused()
    {
#pragma warning disable SYSLIB0039, CA5397 // What is refused has to be offered.
        foreach (var version in new[] { SslProtocols.Tls, SslProtocols.Tls11 })
#pragma warning restore SYSLIB0039, CA5397
        {
            await using var connection = await ConnectAsync();
            await using var tls = new SslStream(connection);
            var options = _authority.Client();
            options.EnabledSslProtocols = version;
            await Assert.ThrowsAnyAsync<Exception>(() => tls.AuthenticateAsClientAsync(options, Token).WaitAsync(Patience, TimeProvider.System, Token));
        }
    }

    [Theory]
    [InlineData("GET /v1/executions HTTP/1.1\r\nHost: a\r\n\r\n")]
    [InlineData("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")]
    public async Task What_is_not_tls_is_ended_and_told_nothing(string text)
    {
        await using var connection = await ConnectAsync();
        await connection.WriteAsync(System.Text.Encoding.ASCII.GetBytes(text), Token);
        (await ReadToEndAsync(connection)).Should().NotContain("HTTP");
    }

    [Fact]
    public async Task A_handshake_that_never_ends_is_ended_while_others_are_served()
    {
        var silent = await Task.WhenAll(Enumerable.Range(0, 100).Select(_ => ConnectAsync()));

        // The beginning of a greeting, as if the rest of it were on its way.
        foreach (var connection in silent.Skip(50)) await connection.WriteAsync(new byte[] { 0x16, 0x03, 0x01, 0x02, 0x00, 0x01, 0x00 }, Token);
        (await StatusAsync(_authority.IssueClient("viewer"))).Should().Be(HttpStatusCode.OK);
        await Task.WhenAll(silent.Select(ReadToEndAsync));
        foreach (var connection in silent) await connection.DisposeAsync();
    }

    private async Task<NetworkStream> ConnectAsync()
    {
        var socket = new Socket(SocketType.Stream, ProtocolType.Tcp);
        await socket.ConnectAsync(IPAddress.Loopback, _address.Port, Token);
        return new NetworkStream(socket, ownsSocket: true);
    }

    private static async Task<string> ReadToEndAsync(NetworkStream connection)
    {
        using var deadline = CancellationTokenSource.CreateLinkedTokenSource(Token);
        deadline.CancelAfter(Patience);
        var buffer = new byte[4096];
        var text = "";
        try
        {
            while (await connection.ReadAsync(buffer, deadline.Token) is > 0 and var read) text += System.Text.Encoding.Latin1.GetString(buffer, 0, read);
        }
        catch (IOException)
        {
            // Ended all the same.
        }

        return text;
    }

    private async Task<HttpStatusCode> StatusAsync(X509Certificate2? certificate, HttpMethod? method = null)
    {
        using (certificate)
        using (var http = new HttpClient(new SocketsHttpHandler { SslOptions = _authority.Client(certificate) }))
        using (var request = new HttpRequestMessage(method ?? HttpMethod.Get, new Uri(_address, "/v1/executions")))
        using (var response = await http.SendAsync(request, Token))
            return response.StatusCode;
    }
}
