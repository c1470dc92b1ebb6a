using System.Text;
using System.Text.Json;

namespace Ergon.Images;

/// <summary>The parts of the Docker client's <c>config.json</c> that say how to log in.</summary>
internal sealed class ClientConfig
{
    private readonly Dictionary<string, string> _helpers = new(StringComparer.Ordinal);
    private readonly Dictionary<string, RegistryCredential> _credentials = new(StringComparer.Ordinal);
    private string? _store;
    private string? _context;

    /// <exception cref="JsonException">The bytes are not such a file.</exception>
    public static ClientConfig Parse(ReadOnlyMemory<byte> utf8Json) => Read(utf8Json, document =>
    {
        var config = new ClientConfig();
        var root = Object(document, "the file");
        if (root.TryGetProperty("credsStore", out var store)) config._store = Text(store);
        if (root.TryGetProperty("currentContext", out var context)) config._context = Text(context);
        if (root.TryGetProperty("credHelpers", out var helpers))
            foreach (var helper in Object(helpers, "credHelpers").EnumerateObject()) config._helpers[helper.Name] = Text(helper.Value) ?? "";
        if (root.TryGetProperty("auths", out var auths))
            foreach (var auth in Object(auths, "auths").EnumerateObject())
                if (ReadAuth(Object(auth.Value, auth.Name)) is { } credential) config._credentials[auth.Name] = credential;
        return config;
    });

    /// <summary>The context that the client's file in a directory names; <see langword="null"/> when it names none.</summary>
    public static string? CurrentContext(string directory)
    {
        try
        {
            return Parse(File.ReadAllBytes(Path.Combine(directory, "config.json")))._context;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or JsonException)
        {
            // Whoever needs the file for more than this says what is wrong with it.
            return null;
        }
    }

    /// <exception cref="JsonException">The bytes are not the answer of a credential helper.</exception>
    public static RegistryCredential ParseHelperAnswer(ReadOnlyMemory<byte> utf8Json) => Read(utf8Json, document =>
    {
        var root = Object(document, "the helper's answer");
        var user = root.TryGetProperty("Username", out var u) ? Text(u) : null;
        var secret = root.TryGetProperty("Secret", out var s) ? Text(s) : null;

        // This user name means that the secret is an identity token.
        return user == "<token>" ? new RegistryCredential { IdentityToken = secret } : new RegistryCredential { Username = user, Password = secret };
    });

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

    private static string? Text(JsonElement element) => element.ValueKind switch
    {
        JsonValueKind.String => element.GetString(),
        JsonValueKind.Null => null,
        _ => throw new JsonException("a text is expected"),
    };

    private static T Read<T>(ReadOnlyMemory<byte> utf8Json, Func<JsonElement, T> read)
    {
        try
        {
            using var document = JsonDocument.Parse(utf8Json);
            return read(document.RootElement);
        }
        catch (InvalidOperationException e)
        {
            // Names and texts are decoded when they are asked for.
            throw new JsonException("a text is not Unicode", e);
        }
    }
}
