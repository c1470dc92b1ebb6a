using System.Net;
using System.Net.Sockets;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using System.Text;
using System.Text.Json;

namespace Ergon.Images.Tests.Registries;

/// <summary>Gives tokens that a real registry verifies, as Docker Hub's authority does.</summary>
internal sealed class TokenServer : IAsyncDisposable
{
    public const string Issuer = "ergon tests";
    public const string Service = "the registry";
    private readonly HttpListener _listener = new();
    private readonly ECDsa _key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
    private readonly X509Certificate2 _certificate;
    private readonly Task _serving;

    public TokenServer()
    {
        var request = new CertificateRequest("CN=ergon", _key, HashAlgorithmName.SHA256);
        request.CertificateExtensions.Add(new X509BasicConstraintsExtension(true, false, 0, true));
        _certificate = request.CreateSelfSigned(DateTimeOffset.UtcNow.AddDays(-1), DateTimeOffset.UtcNow.AddDays(1));
        Realm = $"http://127.0.0.1:{FreePort()}/token";
        _listener.Prefixes.Add(Realm + "/");
        _listener.Start();
        _serving = ServeAsync();
    }

    public string Realm { get; }

    /// <summary>The certificate of who signs, as the registry reads it.</summary>
    public string CertificatePem => _certificate.ExportCertificatePem();

    /// <summary>Every request: method, query or form, and who asked.</summary>
    public List<string> Requests { get; } = [];

    public async ValueTask DisposeAsync()
    {
        _listener.Close();
        await _serving.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        _certificate.Dispose();
        _key.Dispose();
    }

    private async Task ServeAsync()
    {
        while (true)
        {
            var context = await _listener.GetContextAsync();
            using var reader = new StreamReader(context.Request.InputStream);
            var form = await reader.ReadToEndAsync();
            var basic = context.Request.Headers["Authorization"]?["Basic ".Length..];
            var user = basic is null ? "" : Encoding.UTF8.GetString(Convert.FromBase64String(basic));
            lock (Requests) Requests.Add($"{context.Request.HttpMethod} {context.Request.Url!.Query}{Uri.UnescapeDataString(form)} {user}");
            var allowed = user == $"{RegistryProgram.User}:{RegistryProgram.Password}" || form.Contains("refresh_token=the-identity", StringComparison.Ordinal);
            context.Response.StatusCode = user.Length > 0 && !allowed ? 401 : 200;
            var scope = Uri.UnescapeDataString(form + context.Request.Url.Query).Split('&', '?').First(p => p.StartsWith("scope=", StringComparison.Ordinal))["scope=".Length..].Split(':');
            var answer = context.Response.StatusCode == 401 ? """{"details":"incorrect username or password"}""" : JsonSerializer.Serialize(new { token = Token(scope, allowed), expires_in = 300 });
            await context.Response.OutputStream.WriteAsync(Encoding.UTF8.GetBytes(answer));
            context.Response.Close();
        }
    }

    private string Token(string[] scope, bool allowed)
    {
        static string Encode(byte[] bytes) => Convert.ToBase64String(bytes).TrimEnd('=').Replace('+', '-').Replace('/', '_');
        var now = DateTimeOffset.UtcNow.ToUnixTimeSeconds();
        var header = JsonSerializer.SerializeToUtf8Bytes(new { typ = "JWT", alg = "ES256", x5c = new[] { Convert.ToBase64String(_certificate.RawData) } });
        var access = allowed ? new[] { new { type = scope[0], name = scope[1], actions = scope[2].Split(',') } } : [];
        var claims = JsonSerializer.SerializeToUtf8Bytes(new { iss = Issuer, sub = "", aud = Service, exp = now + 300, nbf = now - 10, iat = now, jti = Guid.NewGuid(), access });
        var signed = $"{Encode(header)}.{Encode(claims)}";
        return $"{signed}.{Encode(_key.SignData(Encoding.ASCII.GetBytes(signed), HashAlgorithmName.SHA256))}";
    }

    private static int FreePort()
    {
        using var listener = new TcpListener(IPAddress.Loopback, 0);
        listener.Start();
        return ((IPEndPoint)listener.LocalEndpoint).Port;
    }
}
