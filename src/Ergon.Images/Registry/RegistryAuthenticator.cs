using System.Collections.Concurrent;
using System.Net.Http.Headers;
using System.Text;
using System.Text.Json;
using System.Text.Json.Serialization;

namespace Ergon.Images.Registry;

/// <summary>
/// Answers the challenges of registries: Basic, and Bearer with a token of the authority that the registry names
/// (https://distribution.github.io/distribution/spec/auth/token/).
/// </summary>
internal sealed class RegistryAuthenticator(HttpClient http, RegistryCredentialStore credentials, TimeProvider time)
{
    private static readonly TimeSpan ShortestLife = TimeSpan.FromSeconds(60);
    private readonly ConcurrentDictionary<(string Registry, string Repository), (AuthenticationHeaderValue Header, DateTimeOffset Expires)> _known = new();

    /// <summary>What to send at once; <see langword="null"/> when nothing is known yet.</summary>
    public AuthenticationHeaderValue? Known(ImageReference reference) =>
        _known.TryGetValue((reference.Registry, reference.Repository), out var known) && known.Expires > time.GetUtcNow() ? known.Header : null;

    /// <summary>Who is logged in to the registry.</summary>
    public async ValueTask<string?> UserAsync(ImageReference reference, CancellationToken cancellationToken) =>
        await credentials.FindAsync(reference.Registry, cancellationToken) is { } found ? found.Credential.Username ?? "the identity token" : null;

    /// <summary>Answers a challenge; <see langword="null"/> when there is nothing to answer with.</summary>
    /// <param name="reference">What is to be read.</param>
    /// <param name="challenge">The challenge.</param>
    /// <param name="secure">Whether the registry was asked over TLS: then secrets go nowhere without it.</param>
    /// <param name="cancellationToken">Ends it.</param>
    public async Task<AuthenticationHeaderValue?> AnswerAsync(ImageReference reference, Challenge challenge, bool secure, CancellationToken cancellationToken)
    {
        var credential = (await credentials.FindAsync(reference.Registry, cancellationToken))?.Credential;
        AuthenticationHeaderValue header;
        var life = TimeSpan.FromHours(1);
        if (challenge.Scheme == "Basic")
        {
            if (credential?.Username is null) return null;
            header = Basic(credential);
        }
        else
        {
            (header, life) = await TokenAsync(reference, challenge, credential, secure, cancellationToken);
        }

        _known[(reference.Registry, reference.Repository)] = (header, time.GetUtcNow() + (life * 0.9));
        return header;
    }

    private async Task<(AuthenticationHeaderValue Header, TimeSpan Life)> TokenAsync(ImageReference reference, Challenge challenge, RegistryCredential? credential, bool secure, CancellationToken cancellationToken)
    {
        if (!Uri.TryCreate(challenge.Parameters.GetValueOrDefault("realm"), UriKind.Absolute, out var realm) || realm.Scheme is not ("https" or "http"))
            throw new RegistryException($"{reference.Registry} names no place that gives tokens", System.Net.HttpStatusCode.Unauthorized);
        if (secure && realm.Scheme != "https") throw new RegistryException($"{reference.Registry} names {realm.Host} for tokens, without TLS; no credentials are sent there", System.Net.HttpStatusCode.Unauthorized);
        var service = challenge.Parameters.GetValueOrDefault("service");
        var scope = challenge.Parameters.GetValueOrDefault("scope") ?? $"repository:{reference.Repository}:pull";
        using var request = credential?.IdentityToken is { } identity ? Exchange(realm, service, scope, identity) : Ask(realm, service, scope, credential);
        using var answer = await http.SendAsync(request, HttpCompletionOption.ResponseContentRead, cancellationToken);
        var body = await answer.Content.ReadAsByteArrayAsync(cancellationToken);
        if (!answer.IsSuccessStatusCode) throw new RegistryException($"{realm.Host} gives no token: {RegistryClient.ErrorOf(body) ?? $"{(int)answer.StatusCode} {answer.ReasonPhrase}"}", answer.StatusCode);
        var token = ReadToken(body, realm);
        var life = token.ExpiresIn is > 0 and < 1_000_000 ? TimeSpan.FromSeconds(token.ExpiresIn.Value) : ShortestLife;
        return (new AuthenticationHeaderValue("Bearer", token.Token ?? token.AccessToken), life < ShortestLife ? ShortestLife : life);
    }

    private static HttpRequestMessage Ask(Uri realm, string? service, string scope, RegistryCredential? credential)
    {
        var query = (service is null ? "" : $"service={Uri.EscapeDataString(service)}&") + string.Concat(scope.Split(' ').Select(s => $"scope={Uri.EscapeDataString(s)}&"));
        var request = new HttpRequestMessage(HttpMethod.Get, new UriBuilder(realm) { Query = $"{realm.Query.TrimStart('?')}&{query}".Trim('&') }.Uri);
        if (credential?.Username is not null) request.Headers.Authorization = Basic(credential);
        return request;
    }

    private static HttpRequestMessage Exchange(Uri realm, string? service, string scope, string identity) => new(HttpMethod.Post, realm)
    {
        Content = new FormUrlEncodedContent(new Dictionary<string, string>
        {
            ["grant_type"] = "refresh_token",
            ["service"] = service ?? "",
            ["scope"] = scope,
            ["client_id"] = "ergon",
            ["refresh_token"] = identity,
        }),
    };

    private static AuthenticationHeaderValue Basic(RegistryCredential credential) =>
        new("Basic", Convert.ToBase64String(Encoding.UTF8.GetBytes($"{credential.Username}:{credential.Password}")));

    private static TokenAnswer ReadToken(byte[] body, Uri realm)
    {
        try
        {
            return JsonSerializer.Deserialize(body, RegistryJsonContext.Default.TokenAnswer) is { } token && (token.Token ?? token.AccessToken) is { Length: > 0 } text && !text.Any(char.IsControl)
                ? token
                : throw new JsonException("there is no token in it");
        }
        catch (JsonException e)
        {
            throw new RegistryException($"{realm.Host} gives no token that can be read: {e.Message}", System.Net.HttpStatusCode.Unauthorized, e);
        }
    }
}

/// <summary>A token, as its authority answers.</summary>
internal sealed record TokenAnswer
{
    [JsonPropertyName("token")]
    public string? Token { get; init; }

    [JsonPropertyName("access_token")]
    public string? AccessToken { get; init; }

    [JsonPropertyName("expires_in")]
    public double? ExpiresIn { get; init; }
}

/// <summary>What went wrong, as a registry answers.</summary>
internal sealed record ErrorAnswer
{
    [JsonPropertyName("errors")]
    public IReadOnlyList<ErrorItem>? Errors { get; init; }

    [JsonPropertyName("details")]
    public string? Details { get; init; }
}

/// <summary>One thing that went wrong.</summary>
internal sealed record ErrorItem
{
    [JsonPropertyName("code")]
    public string? Code { get; init; }

    [JsonPropertyName("message")]
    public string? Message { get; init; }
}

/// <summary>How answers of registries are read.</summary>
[JsonSerializable(typeof(TokenAnswer))]
[JsonSerializable(typeof(ErrorAnswer))]
internal sealed partial class RegistryJsonContext : JsonSerializerContext;
