using System.Net;
using System.Net.Http.Headers;
using System.Runtime.CompilerServices;
using System.Text.Json;
using System.Text.Json.Serialization.Metadata;

namespace Ergon.Docker.Api;

/// <summary>
/// The calls of the Docker Engine API that Ergon makes (https://docs.docker.com/reference/api/engine/), over connections that are kept.
/// Deadlines are the caller's. What the Engine refuses is an <see cref="EngineApiException"/>.
/// </summary>
internal sealed partial class EngineClient : IDisposable
{
    private static readonly Version Newest = new(1, 47);
    private static readonly Version Oldest = new(1, 40);
    private static readonly MediaTypeHeaderValue Json = new("application/json");

    private readonly EngineDialer _dialer;
    private readonly string _address;
    private readonly HttpMessageInvoker _http;
    private readonly SemaphoreSlim _negotiating = new(1, 1);
    private string? _version;

    /// <param name="dialer">Opens the connections.</param>
    /// <param name="address">The Engine's address, for messages.</param>
    public EngineClient(EngineDialer dialer, string address)
    {
        (_dialer, _address) = (dialer, address);
        _http = new HttpMessageInvoker(new SocketsHttpHandler
        {
            UseProxy = false,
            UseCookies = false,
            AllowAutoRedirect = false,
            ActivityHeadersPropagator = null,
            ConnectCallback = (_, token) => dialer.DialAsync(token),
        });
    }

    /// <summary>Learns the version of the Engine's API, if that is not known yet.</summary>
    /// <exception cref="ExecutorException"><see cref="ErrorCode.BackendUnavailable"/> when it cannot be used.</exception>
    public async Task ConnectAsync(CancellationToken cancellationToken) => await VersionAsync(cancellationToken);

    /// <summary>Whether an Engine has ever answered; before, nothing but the question has been sent.</summary>
    public bool HasAnswered => Volatile.Read(ref _version) is not null;

    /// <summary>Asks whether the Engine is there.</summary>
    public async Task PingAsync(CancellationToken cancellationToken) => (await SendAsync(HttpMethod.Get, "/_ping", null, cancellationToken)).Dispose();

    /// <summary>Asks the Engine to describe itself.</summary>
    public Task<EngineInfo> InfoAsync(CancellationToken cancellationToken) => GetAsync("/info", EngineJsonContext.Default.EngineInfo, cancellationToken);

    /// <summary>Reads what happens to a container, from the oldest event that the Engine remembers.</summary>
    /// <param name="container">Its id.</param>
    /// <param name="until">When to end, in seconds since 1970 by the Engine's clock; <see langword="null"/>: never.</param>
    /// <param name="actions">Which events.</param>
    /// <param name="cancellationToken">Ends the reading.</param>
    public IAsyncEnumerable<EngineEvent> EventsAsync(string container, string? until, string[] actions, CancellationToken cancellationToken)
    {
        var filters = Filters(new() { ["container"] = [container], ["event"] = actions });
        return ReadManyAsync(HttpMethod.Get, $"/events?since=1{(until is null ? "" : $"&until={until}")}&filters={filters}", null, EngineJsonContext.Default.EngineEvent, cancellationToken);
    }

    /// <summary>Describes an image.</summary>
    public Task<ImageDescription> InspectImageAsync(string image, CancellationToken cancellationToken) =>
        GetAsync($"/images/{image}/json", EngineJsonContext.Default.ImageDescription, cancellationToken);

    /// <summary>Pulls an image. A pull that fails after it began does not fail the call: the error is the last message.</summary>
    public IAsyncEnumerable<PullMessage> PullAsync(string name, string version, string? platform, RegistryAuth? auth, CancellationToken cancellationToken)
    {
        var path = $"/images/create?fromImage={Uri.EscapeDataString(name)}&tag={Uri.EscapeDataString(version)}{(platform is null ? "" : $"&platform={Uri.EscapeDataString(platform)}")}";
        return ReadManyAsync(HttpMethod.Post, path, auth, EngineJsonContext.Default.PullMessage, cancellationToken);
    }

    public void Dispose()
    {
        _http.Dispose();
        _negotiating.Dispose();
    }

    private static string Filters(Dictionary<string, string[]> filters) => Uri.EscapeDataString(JsonSerializer.Serialize(filters, EngineJsonContext.Default.DictionaryStringStringArray));

    private static ByteArrayContent ContentOf<T>(T value, JsonTypeInfo<T> type) => new(JsonSerializer.SerializeToUtf8Bytes(value, type)) { Headers = { ContentType = Json } };

    private Task<T> GetAsync<T>(string path, JsonTypeInfo<T> type, CancellationToken cancellationToken) => CallAsync(HttpMethod.Get, path, null, type, cancellationToken);

    private async Task PostAsync(string path, CancellationToken cancellationToken) => (await SendAsync(HttpMethod.Post, path, null, cancellationToken)).Dispose();

    private async Task<T> CallAsync<T>(HttpMethod method, string path, HttpContent? content, JsonTypeInfo<T> type, CancellationToken cancellationToken)
    {
        using var answer = await SendAsync(method, path, content, cancellationToken);
        await using var body = await answer.Content.ReadAsStreamAsync(cancellationToken);
        return await JsonSerializer.DeserializeAsync(body, type, cancellationToken) ?? throw new JsonException($"the answer to {path} is empty");
    }

    private async IAsyncEnumerable<T> ReadManyAsync<T>(
        HttpMethod method, string path, RegistryAuth? auth, JsonTypeInfo<T> type, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        using var answer = await SendAsync(method, path, null, cancellationToken, auth);
        await using var body = await answer.Content.ReadAsStreamAsync(cancellationToken);
        await foreach (var value in JsonSerializer.DeserializeAsyncEnumerable(body, type, topLevelValues: true, cancellationToken))
            if (value is not null) yield return value;
    }

    // Returns as soon as the answer begins; the caller disposes it.
    private async Task<HttpResponseMessage> SendAsync(HttpMethod method, string path, HttpContent? content, CancellationToken cancellationToken, RegistryAuth? auth = null)
    {
        using var request = new HttpRequestMessage(method, $"http://{_dialer.Host}/v{_version ?? await VersionAsync(cancellationToken)}{path}") { Content = content };
        if (auth is not null) request.Headers.Add("X-Registry-Auth", Encode(auth));
        var answer = await _http.SendAsync(request, cancellationToken);
        if ((int)answer.StatusCode < (int)HttpStatusCode.BadRequest) return answer;
        using (answer) throw EngineApiException.Of(answer.StatusCode, await answer.Content.ReadAsStringAsync(cancellationToken));
    }

    private static string Encode(RegistryAuth auth) =>
        Convert.ToBase64String(JsonSerializer.SerializeToUtf8Bytes(auth, EngineJsonContext.Default.RegistryAuth)).Replace('+', '-').Replace('/', '_');

    private async Task<string> VersionAsync(CancellationToken cancellationToken)
    {
        await _negotiating.WaitAsync(cancellationToken);
        try
        {
            return _version ??= await NegotiateAsync(cancellationToken);
        }
        finally
        {
            _negotiating.Release();
        }
    }

    // The newest version whose meaning Ergon knows, or what an older Engine speaks: it tells its own in a header of the answer to a ping,
    // which costs it nothing. An Engine that is replaced by an older one later says itself, in its errors, what it speaks.
    private async Task<string> NegotiateAsync(CancellationToken cancellationToken)
    {
        using var ping = new HttpRequestMessage(HttpMethod.Get, $"http://{_dialer.Host}/_ping");
        using var answer = await _http.SendAsync(ping, cancellationToken);
        var told = answer.Headers.TryGetValues("Api-Version", out var values) ? values.FirstOrDefault() : null;
        if (Version.TryParse(told, out var offered) && offered >= Oldest) return (offered < Newest ? offered : Newest).ToString();
        throw new ExecutorException(
            ErrorCode.BackendUnavailable,
            told is null
                ? $"What listens at {_address} does not tell the version of its API, so that it is no Docker Engine. Check DOCKER_HOST or the Docker context."
                : $"The Docker Engine at {_address} speaks API {told}; {Oldest} or newer is needed. Install Docker Engine 19.03 or newer.");
    }
}
