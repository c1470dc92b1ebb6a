using System.Text;
using System.Text.Json;
using CliWrap;
using CliWrap.Buffered;
using Docker.DotNet.Models;

namespace Ergon.Docker;

/// <summary>
/// Finds the credentials of a registry: those of the options, else those of the Docker client's <c>config.json</c>
/// (<c>credHelpers</c>, <c>credsStore</c>, <c>auths</c>; https://docs.docker.com/reference/cli/docker/login/).
/// </summary>
internal sealed class RegistryCredentialStore(DockerOptions options)
{
    private static readonly TimeSpan HelperTimeout = TimeSpan.FromSeconds(20);

    /// <summary>The credentials; empty ones when there are none.</summary>
    /// <exception cref="ExecutorException"><see cref="ErrorCode.ImageUnavailable"/> when the file or a helper fails.</exception>
    public async Task<AuthConfig> FindAsync(string registry, CancellationToken cancellationToken)
    {
        foreach (var name in NamesOf(registry))
            if (options.RegistryCredentials.TryGetValue(name, out var credential)) return ToAuth(credential, name);

        var file = Path.Combine(options.ConfigDirectory ?? DefaultDirectory(), "config.json");
        if (!File.Exists(file)) return new AuthConfig();
        try
        {
            var config = ClientConfig.Parse(await File.ReadAllBytesAsync(file, cancellationToken));
            foreach (var name in NamesOf(registry))
            {
                if (config.HelperOf(name) is { } helper && await AskHelperAsync(helper, name, cancellationToken) is { } answer) return ToAuth(answer, name);
                if (config.CredentialOf(name) is { } stored) return ToAuth(stored, name);
            }

            return new AuthConfig();
        }
        catch (Exception e) when (e is JsonException or IOException or UnauthorizedAccessException)
        {
            throw new ExecutorException(ErrorCode.ImageUnavailable, $"The registry credentials in {file} cannot be read: {e.Message} Repair the file, or remove it.", innerException: e);
        }
    }

    // Docker Hub's entry has a name of its own, and entries may be written as URLs.
    internal static IEnumerable<string> NamesOf(string registry) => registry == "docker.io"
        ? ["https://index.docker.io/v1/", "docker.io", "index.docker.io", "registry-1.docker.io"]
        : [registry, $"https://{registry}", $"https://{registry}/", $"https://{registry}/v1/", $"https://{registry}/v2/", $"http://{registry}"];

    private static async Task<RegistryCredential?> AskHelperAsync(string helper, string name, CancellationToken cancellationToken)
    {
        using var deadline = new CancellationTokenSource(HelperTimeout, TimeProvider.System);
        using var linked = CancellationTokenSource.CreateLinkedTokenSource(deadline.Token, cancellationToken);
        try
        {
            var answer = await Cli.Wrap($"docker-credential-{helper}")
                .WithArguments("get")
                .WithStandardInputPipe(PipeSource.FromString(name))
                .WithValidation(CommandResultValidation.None)
                .ExecuteBufferedAsync(linked.Token);
            if (answer.ExitCode == 0) return ClientConfig.ParseHelperAnswer(Encoding.UTF8.GetBytes(answer.StandardOutput));

            // A helper that has nothing says so in these words, on either stream; an anonymous pull may still work.
            if ((answer.StandardOutput + answer.StandardError).Contains("credentials not found", StringComparison.OrdinalIgnoreCase)) return null;
            throw Failed($"it ended with {answer.ExitCode}: {(answer.StandardError + answer.StandardOutput).Trim()}", null);
        }
        catch (Exception e) when (e is not ExecutorException && !cancellationToken.IsCancellationRequested)
        {
            throw Failed(e.Message, e);
        }

        ExecutorException Failed(string why, Exception? inner) => new(
            ErrorCode.ImageUnavailable, $"The credential helper docker-credential-{helper} gave no credentials for {name}: {why} Install or repair it, or log in without it.", innerException: inner);
    }

    private static AuthConfig ToAuth(RegistryCredential credential, string server) => new()
    {
        Username = credential.Username,
        Password = credential.Password,
        IdentityToken = credential.IdentityToken,
        ServerAddress = server,
    };

    private static string DefaultDirectory() =>
        Environment.GetEnvironmentVariable("DOCKER_CONFIG") ?? Path.Combine(Environment.GetFolderPath(Environment.SpecialFolder.UserProfile), ".docker");
}

/// <summary>The parts of the Docker client's <c>config.json</c> that say how to log in.</summary>
internal sealed class ClientConfig
{
    private readonly Dictionary<string, string> _helpers = new(StringComparer.Ordinal);
    private readonly Dictionary<string, RegistryCredential> _credentials = new(StringComparer.Ordinal);
    private string? _store;

    /// <exception cref="JsonException">The bytes are not such a file.</exception>
    public static ClientConfig Parse(ReadOnlyMemory<byte> utf8Json)
    {
        var config = new ClientConfig();
        using var document = JsonDocument.Parse(utf8Json);
        var root = Object(document.RootElement, "the file");
        if (root.TryGetProperty("credsStore", out var store)) config._store = Text(store);
        if (root.TryGetProperty("credHelpers", out var helpers))
            foreach (var helper in Object(helpers, "credHelpers").EnumerateObject()) config._helpers[helper.Name] = Text(helper.Value) ?? "";
        if (root.TryGetProperty("auths", out var auths))
            foreach (var auth in Object(auths, "auths").EnumerateObject())
                if (ReadAuth(Object(auth.Value, auth.Name)) is { } credential) config._credentials[auth.Name] = credential;
        return config;
    }

    /// <exception cref="JsonException">The bytes are not the answer of a credential helper.</exception>
    public static RegistryCredential ParseHelperAnswer(ReadOnlyMemory<byte> utf8Json)
    {
        using var document = JsonDocument.Parse(utf8Json);
        var root = Object(document.RootElement, "the helper's answer");
        var user = root.TryGetProperty("Username", out var u) ? Text(u) : null;
        var secret = root.TryGetProperty("Secret", out var s) ? Text(s) : null;

        // This user name means that the secret is an identity token.
        return user == "<token>" ? new RegistryCredential { IdentityToken = secret } : new RegistryCredential { Username = user, Password = secret };
    }

    public string? HelperOf(string name) => _helpers.GetValueOrDefault(name) is { Length: > 0 } own ? own : _store is { Length: > 0 } ? _store : null;

    public RegistryCredential? CredentialOf(string name) => _credentials.GetValueOrDefault(name);

    private static RegistryCredential? ReadAuth(JsonElement entry)
    {
        var token = entry.TryGetProperty("identitytoken", out var t) ? Text(t) : null;
        var user = entry.TryGetProperty("username", out var u) ? Text(u) : null;
        var password = entry.TryGetProperty("password", out var p) ? Text(p) : null;
        if (entry.TryGetProperty("auth", out var auth) && Text(auth) is { Length: > 0 } encoded) (user, password) = Decode(encoded);
        return token is null && user is null ? null : new RegistryCredential { Username = user, Password = password, IdentityToken = token };
    }

    private static (string User, string Password) Decode(string encoded)
    {
        try
        {
            var text = Encoding.UTF8.GetString(Convert.FromBase64String(encoded)).TrimEnd('\0');
            var colon = text.IndexOf(':', StringComparison.Ordinal);
            return colon > 0 ? (text[..colon], text[(colon + 1)..]) : throw new JsonException("an 'auth' entry has no user and password");
        }
        catch (FormatException e)
        {
            throw new JsonException("an 'auth' entry is not base64", e);
        }
    }

    private static JsonElement Object(JsonElement element, string what) =>
        element.ValueKind == JsonValueKind.Object ? element : throw new JsonException($"{what} is not an object");

    private static string? Text(JsonElement element)
    {
        try
        {
            return element.ValueKind switch
            {
                JsonValueKind.String => element.GetString(),
                JsonValueKind.Null => null,
                _ => throw new JsonException("a text is expected"),
            };
        }
        catch (InvalidOperationException e)
        {
            throw new JsonException("a text is not Unicode", e);
        }
    }
}
