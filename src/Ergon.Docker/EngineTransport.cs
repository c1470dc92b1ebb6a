using Docker.DotNet;
using Docker.DotNet.Handler.Abstractions;
using Microsoft.Extensions.Logging;

namespace Ergon.Docker;

/// <summary>
/// The client library's transport to an endpoint, with the negotiation of the API version in between, and with one call that the library
/// makes only together with another: attaching.
/// </summary>
internal sealed class EngineTransport : IDockerHandlerFactory<EngineTransport>, IDisposable
{
    private readonly IDockerHandlerFactory _library;
    private ApiVersionHandler? _handler;
    private HttpClient? _http;
    private Uri? _root;

    public EngineTransport(Uri endpoint) => _library = endpoint.Scheme switch
    {
        "unix" => global::Docker.DotNet.Unix.DockerHandlerFactory.Instance,
        "npipe" => global::Docker.DotNet.NPipe.DockerHandlerFactory.Instance,
        _ => global::Docker.DotNet.LegacyHttp.DockerHandlerFactory.Instance,
    };

    /// <summary>Called by the library when it builds the client.</summary>
    public ResolvedTransport CreateHandler(ResolvedClientOptions clientOptions, ILogger logger)
    {
        var transport = _library.CreateHandler(clientOptions, logger);
        _handler = new ApiVersionHandler(transport.Handler, clientOptions.Endpoint.ToString());
        _root = transport.EffectiveEndpoint;
        _http = new HttpClient(_handler, disposeHandler: false) { Timeout = Timeout.InfiniteTimeSpan };
        return transport with { Handler = _handler };
    }

    /// <inheritdoc/>
    public ResolvedTransport CreateHandler(EngineTransport transportOptions, ResolvedClientOptions clientOptions, ILogger logger) => CreateHandler(clientOptions, logger);

    /// <inheritdoc/>
    public Task<WriteClosableStream> HijackStreamAsync(HttpContent content) => _library.HijackStreamAsync(content);

    /// <summary>Learns the version of the Engine's API, if that is not known yet.</summary>
    /// <exception cref="ExecutorException"><see cref="ErrorCode.BackendUnavailable"/> when it cannot be used.</exception>
    public Task ConnectAsync(CancellationToken cancellationToken) => _handler!.NegotiateAsync(_root!, cancellationToken);

    /// <summary>
    /// Attaches to the output of a container without a terminal. The library's own call asks for a description of the container first,
    /// to learn whether it has one.
    /// </summary>
    /// <exception cref="DockerApiException">The Engine refuses.</exception>
    public async Task<MultiplexedStream> AttachAsync(string container, CancellationToken cancellationToken)
    {
        using var request = new HttpRequestMessage(HttpMethod.Post, new Uri(_root!, $"/containers/{container}/attach?stream=1&stdout=1&stderr=1"));
        request.Headers.Connection.Add("upgrade");
        request.Headers.Upgrade.ParseAdd("tcp");
        var response = await _http!.SendAsync(request, HttpCompletionOption.ResponseHeadersRead, cancellationToken);
        try
        {
            if ((int)response.StatusCode >= 400) throw new DockerApiException(response.StatusCode, await response.Content.ReadAsStringAsync(cancellationToken));
            return new MultiplexedStream(await HijackStreamAsync(response.Content), multiplexed: true);
        }
        catch
        {
            response.Dispose();
            throw;
        }
    }

    public void Dispose() => _http?.Dispose();

    /// <summary>
    /// Puts the version of the API into every request: the newest whose meaning this driver knows, or what an older Engine speaks. The
    /// Engine tells its own in a header of the answer to a ping, which costs it nothing.
    /// </summary>
    private sealed class ApiVersionHandler(HttpMessageHandler inner, string address) : DelegatingHandler(inner)
    {
        private static readonly System.Version Newest = new(1, 47);
        private static readonly System.Version Oldest = new(1, 40);

        private readonly SemaphoreSlim _negotiating = new(1, 1);
        private volatile string? _prefix;

        // An Engine that was replaced by an older one meanwhile says itself, in its errors, what it speaks.
        public async Task<string> NegotiateAsync(Uri uri, CancellationToken cancellationToken)
        {
            await _negotiating.WaitAsync(cancellationToken);
            try
            {
                return _prefix ??= await AskAsync(uri, cancellationToken);
            }
            finally
            {
                _negotiating.Release();
            }
        }

        protected override async Task<HttpResponseMessage> SendAsync(HttpRequestMessage request, CancellationToken cancellationToken)
        {
            var uri = request.RequestUri!;
            var prefix = _prefix ?? await NegotiateAsync(uri, cancellationToken);
            request.RequestUri = new UriBuilder(uri) { Path = prefix + uri.AbsolutePath }.Uri;
            return await base.SendAsync(request, cancellationToken);
        }

        protected override void Dispose(bool disposing)
        {
            if (disposing) _negotiating.Dispose();
            base.Dispose(disposing);
        }

        private async Task<string> AskAsync(Uri uri, CancellationToken cancellationToken)
        {
            using var ping = new HttpRequestMessage(HttpMethod.Get, new Uri(uri, "/_ping"));
            using var answer = await base.SendAsync(ping, cancellationToken);
            var told = answer.Headers.TryGetValues("Api-Version", out var values) ? values.FirstOrDefault() : null;
            if (System.Version.TryParse(told, out var offered) && offered >= Oldest) return $"/v{(offered < Newest ? offered : Newest)}";
            throw new ExecutorException(
                ErrorCode.BackendUnavailable,
                told is null
                    ? $"What listens at {address} does not tell the version of its API, so that it is no Docker Engine. Check DOCKER_HOST or the Docker context."
                    : $"The Docker Engine at {address} speaks API {told}; {Oldest} or newer is needed. Install Docker Engine 19.03 or newer.");
        }
    }
}
