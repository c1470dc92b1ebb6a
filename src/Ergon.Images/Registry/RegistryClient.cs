using System.Net;
using System.Net.Http.Headers;
using System.Text.Json;
using Ergon.Images.Layers;
using Ergon.Images.Sources;
using Polly;
using Polly.Retry;

namespace Ergon.Images.Registry;

/// <summary>
/// Reads from registries (https://github.com/opencontainers/distribution-spec, and Docker's before it). What is read is verified against
/// its digest; what fails in passing is tried again.
/// </summary>
internal sealed class RegistryClient : IDisposable
{
    private const string HubHost = "registry-1.docker.io";
    private const int MaxError = 16 * 1024;
    private static readonly TimeSpan ConnectTimeout = TimeSpan.FromSeconds(15);
    private static readonly TimeSpan AnswerTimeout = TimeSpan.FromSeconds(60);
    private static readonly TimeSpan StallTimeout = TimeSpan.FromSeconds(60);

    private static readonly string[] ManifestTypes =
    [
        "application/vnd.oci.image.index.v1+json",
        "application/vnd.oci.image.manifest.v1+json",
        "application/vnd.docker.distribution.manifest.list.v2+json",
        "application/vnd.docker.distribution.manifest.v2+json",
    ];

    private readonly HttpClient _http;
    private readonly RegistryAuthenticator _authenticator;
    private readonly IReadOnlyCollection<string> _insecure;
    private readonly TimeProvider _time;
    private readonly ResiliencePipeline _retries;

    /// <param name="credentials">Who logs in where.</param>
    /// <param name="insecure">Registries that are spoken to without TLS, beside those on loopback.</param>
    /// <param name="time">Measures timeouts and pauses.</param>
    public RegistryClient(RegistryCredentialStore credentials, IReadOnlyCollection<string> insecure, TimeProvider time)
    {
        (_insecure, _time) = (insecure, time);
        _http = new HttpClient(new SocketsHttpHandler { ConnectTimeout = ConnectTimeout, PooledConnectionLifetime = TimeSpan.FromMinutes(5) })
        {
            Timeout = Timeout.InfiniteTimeSpan,
            MaxResponseContentBufferSize = ImageFilesExtensions.MaxDocument,
        };
        _http.DefaultRequestHeaders.UserAgent.Add(new ProductInfoHeaderValue("ergon", null));
        _authenticator = new RegistryAuthenticator(_http, credentials, time);
        _retries = new ResiliencePipelineBuilder { TimeProvider = time }.AddRetry(new RetryStrategyOptions
        {
            ShouldHandle = new PredicateBuilder().Handle<RegistryException>(e => e.IsTransient),
            MaxRetryAttempts = 3,
            BackoffType = DelayBackoffType.Exponential,
            UseJitter = true,
            Delay = TimeSpan.FromMilliseconds(300),
            DelayGenerator = static retry => new((retry.Outcome.Exception as RegistryException)?.RetryAfter),
        }).Build();
    }

    /// <summary>Reads a manifest or an index.</summary>
    /// <exception cref="ExecutorException">It cannot be had.</exception>
    public Task<byte[]> ReadManifestAsync(ImageReference reference, string version, CancellationToken cancellationToken) =>
        TryAsync(reference, token => ReadDocumentAsync(reference, $"manifests/{version}", ContentDigest.IsValid(version) ? version : null, ManifestTypes, token), cancellationToken);

    /// <summary>Reads a blob that is small: an image's configuration.</summary>
    /// <exception cref="ExecutorException">It cannot be had.</exception>
    public Task<byte[]> ReadBlobAsync(ImageReference reference, string digest, CancellationToken cancellationToken) =>
        TryAsync(reference, token => ReadDocumentAsync(reference, $"blobs/{digest}", digest, [], token), cancellationToken);

    /// <summary>Writes a blob to a file, from its beginning in every attempt.</summary>
    /// <param name="reference">The image that has the blob.</param>
    /// <param name="blob">The blob: its digest is verified, and its size if it is known.</param>
    /// <param name="path">The file.</param>
    /// <param name="progress">Takes how many bytes have been written.</param>
    /// <param name="cancellationToken">Ends it.</param>
    /// <exception cref="ExecutorException">It cannot be had.</exception>
    /// <exception cref="InvalidDataException">It is not what its digest says.</exception>
    public Task DownloadBlobAsync(ImageReference reference, Descriptor blob, string path, Action<long> progress, CancellationToken cancellationToken) => TryAsync(
        reference,
        async token =>
        {
            using var answer = await SendAsync(reference, $"blobs/{blob.Digest}", [], token);
            await using var file = new FileStream(path, FileMode.Create, FileAccess.Write, FileShare.Read, bufferSize: 0, useAsync: false);
            await using var content = new HashingStream(await answer.Content.ReadAsStreamAsync(token));
            await CopyAsync(content, file, reference, blob.Size, progress, token);
            return content.Digest == blob.Digest ? true : throw new InvalidDataException($"The registry sent {content.Digest} for {blob.Digest}: it is damaged there, or on the way.");
        },
        cancellationToken);

    public void Dispose() => _http.Dispose();

    /// <summary>What an answer says about its error; <see langword="null"/> when it says nothing that can be read.</summary>
    internal static string? ErrorOf(byte[] body)
    {
        try
        {
            var answer = JsonSerializer.Deserialize(body, RegistryJsonContext.Default.ErrorAnswer);
            var first = answer?.Errors is [var item, ..] ? item : null;
            return (first?.Message is { Length: > 0 } message ? message : first?.Code) ?? answer?.Details;
        }
        catch (JsonException)
        {
            return null;
        }
    }

    private async Task<T> TryAsync<T>(ImageReference reference, Func<CancellationToken, Task<T>> read, CancellationToken cancellationToken)
    {
        try
        {
            return await _retries.ExecuteAsync(async token => await read(token), cancellationToken);
        }
        catch (RegistryException e)
        {
            throw e.Explain(reference, await _authenticator.UserAsync(reference, cancellationToken));
        }
    }

    private async Task<byte[]> ReadDocumentAsync(ImageReference reference, string path, string? digest, string[] accept, CancellationToken cancellationToken)
    {
        using var answer = await SendAsync(reference, path, accept, cancellationToken);
        using var bytes = new MemoryStream();
        await using var content = await answer.Content.ReadAsStreamAsync(cancellationToken);
        await CopyAsync(content, bytes, reference, 0, static _ => { }, cancellationToken, ImageFilesExtensions.MaxDocument);
        var document = bytes.ToArray();
        return digest is null || ContentDigest.Of(document) == digest
            ? document
            : throw new InvalidDataException($"The registry sent {ContentDigest.Of(document)} for {digest}: it is damaged there, or on the way.");
    }

    /// <summary>Copies an answer. It may take long, but not stand still.</summary>
    private async Task CopyAsync(Stream from, Stream to, ImageReference reference, long expected, Action<long> progress, CancellationToken cancellationToken, long max = long.MaxValue)
    {
        var buffer = new byte[128 * 1024];
        var limit = expected > 0 ? expected : max;
        var total = 0L;
        while (await ReadAsync(from, buffer, reference, cancellationToken) is > 0 and var read)
        {
            total += read;
            if (total > limit) throw new InvalidDataException($"The registry sends more than the {limit} bytes that were expected.");
            await to.WriteAsync(buffer.AsMemory(0, read), cancellationToken);
            progress(total);
        }

        if (expected > 0 && total < expected) throw new RegistryException($"{reference.Registry} ended the transfer after {total} of {expected} bytes", null);
    }

    private async ValueTask<int> ReadAsync(Stream from, Memory<byte> buffer, ImageReference reference, CancellationToken cancellationToken)
    {
        using var deadline = new CancellationTokenSource(StallTimeout, _time);
        using var linked = CancellationTokenSource.CreateLinkedTokenSource(deadline.Token, cancellationToken);
        try
        {
            return await from.ReadAsync(buffer, linked.Token);
        }
        catch (Exception e) when ((e is IOException or HttpRequestException) && !cancellationToken.IsCancellationRequested)
        {
            throw new RegistryException($"the connection to {reference.Registry} broke: {e.Message}", null, e);
        }
        catch (OperationCanceledException e) when (deadline.IsCancellationRequested && !cancellationToken.IsCancellationRequested)
        {
            throw new RegistryException($"{reference.Registry} sent nothing for {StallTimeout.TotalSeconds:0} s", null, e);
        }
    }

    /// <summary>Asks, logs in if that is wanted, and asks again.</summary>
    private async Task<HttpResponseMessage> SendAsync(ImageReference reference, string path, string[] accept, CancellationToken cancellationToken)
    {
        using var deadline = new CancellationTokenSource(AnswerTimeout, _time);
        using var linked = CancellationTokenSource.CreateLinkedTokenSource(deadline.Token, cancellationToken);
        try
        {
            var known = _authenticator.Known(reference);
            var answer = await SendOnceAsync(reference, path, accept, known, linked.Token);
            if (answer.StatusCode == HttpStatusCode.Unauthorized && Challenge.Choose(answer.Headers.WwwAuthenticate) is { } challenge)
            {
                var header = await _authenticator.AnswerAsync(reference, challenge, !IsInsecure(reference.Registry), linked.Token);
                if (header is not null)
                {
                    answer.Dispose();
                    answer = await SendOnceAsync(reference, path, accept, header, linked.Token);
                }
            }

            return answer.IsSuccessStatusCode ? answer : throw await RefusedAsync(answer, linked.Token);
        }
        catch (Exception e) when ((e is HttpRequestException or IOException) && !cancellationToken.IsCancellationRequested)
        {
            throw new RegistryException(e.InnerException is { } inner ? $"{e.Message} {inner.Message}" : e.Message, null, e);
        }
        catch (OperationCanceledException e) when (deadline.IsCancellationRequested && !cancellationToken.IsCancellationRequested)
        {
            throw new RegistryException($"it did not answer within {AnswerTimeout.TotalSeconds:0} s", null, e);
        }
    }

    private async Task<HttpResponseMessage> SendOnceAsync(ImageReference reference, string path, string[] accept, AuthenticationHeaderValue? authorization, CancellationToken cancellationToken)
    {
        var host = reference.Registry == ImageReference.DockerHub ? HubHost : reference.Registry;
        using var request = new HttpRequestMessage(HttpMethod.Get, new Uri($"{(IsInsecure(host) ? "http" : "https")}://{host}/v2/{reference.Repository}/{path}"));
        foreach (var type in accept) request.Headers.Accept.Add(new MediaTypeWithQualityHeaderValue(type));
        request.Headers.Authorization = authorization;
        return await _http.SendAsync(request, HttpCompletionOption.ResponseHeadersRead, cancellationToken);
    }

    private static async Task<RegistryException> RefusedAsync(HttpResponseMessage answer, CancellationToken cancellationToken)
    {
        using (answer)
        {
            var body = new byte[MaxError];
            await using var content = await answer.Content.ReadAsStreamAsync(cancellationToken);
            var count = await content.ReadAtLeastAsync(body, body.Length, throwOnEndOfStream: false, cancellationToken);
            var said = ErrorOf(body[..count]) ?? answer.ReasonPhrase;
            return new RegistryException($"the registry says: {(int)answer.StatusCode} {said}", answer.StatusCode) { RetryAfter = Pause(answer) };
        }
    }

    // A registry that asks for more patience than this is not waited for.
    private static TimeSpan? Pause(HttpResponseMessage answer) => answer.Headers.RetryAfter?.Delta is { } pause && pause <= TimeSpan.FromSeconds(30) ? pause : null;

    // As in Docker, a registry on this machine needs no TLS.
    private bool IsInsecure(string registry)
    {
        if (_insecure.Contains(registry)) return true;
        return Uri.TryCreate($"http://{registry}", UriKind.Absolute, out var uri) && uri.IsLoopback;
    }
}
