using System.Net;
using System.Net.Http.Headers;
using System.Text.Json;
using System.Text.Json.Serialization.Metadata;
using Ergon.Linux;

namespace Ergon.MicroVm.Firecracker;

/// <summary>Firecracker's API on its Unix socket.</summary>
/// <param name="directory">The directory of the socket.</param>
/// <param name="name">The socket's name in it.</param>
/// <param name="deadline">How long a call may take; <see langword="null"/>: the usual time.</param>
internal sealed class FirecrackerApi(string directory, string name, TimeSpan? deadline = null) : IDisposable
{
    // Firecracker answers at once, or not at all.
    private static readonly TimeSpan UsualDeadline = TimeSpan.FromSeconds(20);

    // A machine is under the control of its guest as soon as the guest takes Firecracker over.
    private const int MaxAnswerBytes = 1024 * 1024;

    private readonly HttpClient _client = new(new SocketsHttpHandler
    {
        ConnectCallback = async (_, token) => await UnixSocket.ConnectAsync(directory, name, token),
        UseProxy = false,
        UseCookies = false,
    })
    {
        BaseAddress = new Uri("http://localhost"),
        Timeout = deadline ?? UsualDeadline,
        MaxResponseContentBufferSize = MaxAnswerBytes,
    };

    /// <summary>Looks at something.</summary>
    public async Task<T> GetAsync<T>(string path, JsonTypeInfo<T> type, CancellationToken cancellationToken)
    {
        using var request = new HttpRequestMessage(HttpMethod.Get, path);
        using var response = await SendAsync(request, cancellationToken);
        try
        {
            return JsonSerializer.Deserialize(await response.Content.ReadAsByteArrayAsync(cancellationToken), type) ?? throw new JsonException("It is null.");
        }
        catch (JsonException e)
        {
            throw new IOException($"Firecracker's answer to GET {path} cannot be read: {e.Message}", e);
        }
    }

    /// <summary>Sets something up.</summary>
    public Task PutAsync<T>(string path, T body, JsonTypeInfo<T> type, CancellationToken cancellationToken) => SendAsync(HttpMethod.Put, path, body, type, cancellationToken);

    /// <summary>Changes something.</summary>
    public Task PatchAsync<T>(string path, T body, JsonTypeInfo<T> type, CancellationToken cancellationToken) => SendAsync(HttpMethod.Patch, path, body, type, cancellationToken);

    private async Task SendAsync<T>(HttpMethod method, string path, T body, JsonTypeInfo<T> type, CancellationToken cancellationToken)
    {
        // Of known length: Firecracker refuses chunked bodies.
        using var request = new HttpRequestMessage(method, path) { Content = new ByteArrayContent(JsonSerializer.SerializeToUtf8Bytes(body, type)) };
        request.Content.Headers.ContentType = new MediaTypeHeaderValue("application/json");
        using var response = await SendAsync(request, cancellationToken);
    }

    private async Task<HttpResponseMessage> SendAsync(HttpRequestMessage request, CancellationToken cancellationToken)
    {
        HttpResponseMessage response;
        try
        {
            response = await _client.SendAsync(request, cancellationToken);
        }
        catch (HttpRequestException e)
        {
            throw new IOException($"Firecracker's API cannot be reached: {e.Message}", e);
        }
        catch (OperationCanceledException e) when (!cancellationToken.IsCancellationRequested)
        {
            throw new IOException($"Firecracker's API did not answer {request.Method} {request.RequestUri?.AbsolutePath} within {_client.Timeout.TotalSeconds:0.#} s.", e);
        }

        if (response.IsSuccessStatusCode) return response;
        using (response)
        {
            var text = await response.Content.ReadAsStringAsync(cancellationToken);
            throw new FirecrackerException(response.StatusCode, $"Firecracker refuses {request.Method} {request.RequestUri?.AbsolutePath}: {FirecrackerFault.MessageOf(text)}");
        }
    }

    public void Dispose() => _client.Dispose();
}

/// <summary>Firecracker refused a call.</summary>
internal sealed class FirecrackerException(HttpStatusCode status, string message) : IOException(message)
{
    public HttpStatusCode Status => status;
}
