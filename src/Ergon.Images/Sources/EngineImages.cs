using System.Net;
using System.Net.Http.Json;
using System.Net.Sockets;
using System.Text.Json;
using System.Text.Json.Serialization;

namespace Ergon.Images.Sources;

/// <summary>Images of a Docker Engine on this machine, over its Unix socket.</summary>
internal sealed class EngineImages : IDisposable
{
    private const string UsualSocket = "/var/run/docker.sock";
    private static readonly TimeSpan CallTimeout = TimeSpan.FromSeconds(10);
    private readonly HttpClient? _http;
    private readonly string _address;
    private readonly TimeProvider _time;

    /// <param name="host">The Engine; <see langword="null"/>: <c>DOCKER_HOST</c>, else the usual socket.</param>
    /// <param name="time">Measures timeouts.</param>
    public EngineImages(Uri? host, TimeProvider time)
    {
        _time = time;
        _address = host?.OriginalString ?? (Environment.GetEnvironmentVariable("DOCKER_HOST") is { Length: > 0 } given ? given : "unix://" + UsualSocket);

        // An Engine elsewhere would send whole images over the network; the registry is nearer then.
        if (!_address.StartsWith("unix://", StringComparison.Ordinal)) return;
        var path = _address["unix://".Length..];
        _http = new HttpClient(new SocketsHttpHandler { UseProxy = false, ConnectCallback = (_, token) => ConnectAsync(path, token) })
        {
            BaseAddress = new Uri("http://docker"),
            Timeout = Timeout.InfiniteTimeSpan,
        };
    }

    /// <summary>Looks for an image.</summary>
    /// <returns>The image; <see langword="null"/> when the Engine does not have it.</returns>
    /// <exception cref="ExecutorException"><see cref="ErrorCode.BackendUnavailable"/>: the Engine does not answer.</exception>
    public async Task<EngineImage?> FindAsync(string name, CancellationToken cancellationToken)
    {
        using var deadline = new CancellationTokenSource(CallTimeout, _time);
        using var linked = CancellationTokenSource.CreateLinkedTokenSource(deadline.Token, cancellationToken);
        try
        {
            using var answer = await GetAsync($"/images/{name}/json", linked.Token);
            if (answer.StatusCode == HttpStatusCode.NotFound) return null;
            answer.EnsureSuccessStatusCode();
            var image = await answer.Content.ReadFromJsonAsync(EngineJsonContext.Default.EngineImage, linked.Token);
            return ContentDigest.IsValid(image?.Id) ? image : null;
        }
        catch (Exception e) when (e is HttpRequestException or IOException or JsonException or OperationCanceledException && !cancellationToken.IsCancellationRequested)
        {
            throw Unavailable(e);
        }
    }

    /// <summary>Writes an image into a file, as <c>docker save</c> does.</summary>
    /// <exception cref="ExecutorException"><see cref="ErrorCode.BackendUnavailable"/>: the Engine does not do it.</exception>
    public async Task SaveAsync(EngineImage image, string path, Action<long> progress, CancellationToken cancellationToken)
    {
        try
        {
            using var answer = await GetAsync($"/images/{image.Id}/get", cancellationToken);
            answer.EnsureSuccessStatusCode();
            await using var content = await answer.Content.ReadAsStreamAsync(cancellationToken);
            await using var file = new FileStream(path, FileMode.Create, FileAccess.Write, FileShare.Read, bufferSize: 0);
            var (buffer, total) = (new byte[256 * 1024], 0L);
            while (await ReadAsync(content, buffer, cancellationToken) is > 0 and var read)
            {
                await file.WriteAsync(buffer.AsMemory(0, read), cancellationToken);
                progress(total += read);
            }
        }
        catch (Exception e) when (e is HttpRequestException or HttpIOException && !cancellationToken.IsCancellationRequested)
        {
            throw Unavailable(e);
        }
    }

    public void Dispose() => _http?.Dispose();

    private static async ValueTask<int> ReadAsync(Stream content, Memory<byte> buffer, CancellationToken cancellationToken)
    {
        try
        {
            return await content.ReadAsync(buffer, cancellationToken);
        }
        catch (IOException e) when (!cancellationToken.IsCancellationRequested)
        {
            throw new HttpRequestException("The connection broke.", e);
        }
    }

    private async Task<HttpResponseMessage> GetAsync(string path, CancellationToken cancellationToken) => _http is null
        ? throw new HttpRequestException("It is not on a Unix socket of this machine.")
        : await _http.GetAsync(new Uri(path, UriKind.Relative), HttpCompletionOption.ResponseHeadersRead, cancellationToken);

    private static async ValueTask<Stream> ConnectAsync(string path, CancellationToken cancellationToken)
    {
        var socket = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        try
        {
            await socket.ConnectAsync(new UnixDomainSocketEndPoint(path), cancellationToken);
            return new NetworkStream(socket, ownsSocket: true);
        }
        catch
        {
            socket.Dispose();
            throw;
        }
    }

    private ExecutorException Unavailable(Exception e) => new(
        ErrorCode.BackendUnavailable, $"The Docker Engine at {_address} gives no images: {e.Message} Start it, or take the image from a registry (docker://REFERENCE).", innerException: e);
}

/// <summary>An image as the Engine describes it.</summary>
internal sealed record EngineImage
{
    /// <summary>The digest of the configuration, or of the manifest when containerd keeps the images.</summary>
    public string Id { get; init; } = "";

    public string? Os { get; init; }

    public string? Architecture { get; init; }

    public string? Variant { get; init; }
}

/// <summary>How the Engine's answers are read.</summary>
[JsonSerializable(typeof(EngineImage))]
internal sealed partial class EngineJsonContext : JsonSerializerContext;
