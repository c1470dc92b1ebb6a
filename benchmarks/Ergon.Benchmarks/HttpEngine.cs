using System.Buffers;
using System.Buffers.Binary;
using System.IO.Pipelines;
using System.Net.Http.Headers;
using System.Net.Sockets;
using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;

namespace Ergon.Benchmarks;

/// <summary>The floor: the calls that a job needs at least, by plain HTTP on the Engine's socket. Create, attach, start, wait, read and drop, remove.</summary>
internal sealed class HttpEngine(string host) : IDisposable
{
    private const int FrameHeader = 8;

    private readonly HttpClient _client = new(new SocketsHttpHandler
    {
        UseProxy = false,
        ConnectCallback = async (_, cancellationToken) =>
        {
            var socket = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
            await socket.ConnectAsync(new UnixDomainSocketEndPoint(new Uri(host).AbsolutePath), cancellationToken);
            return new NetworkStream(socket, ownsSocket: true);
        },
    })
    {
        BaseAddress = new Uri("http://engine/"),
        Timeout = Timeout.InfiniteTimeSpan,
    };

    /// <summary>Runs a job in busybox.</summary>
    /// <param name="command">The command.</param>
    /// <param name="onOutput">Takes each piece of the output.</param>
    /// <param name="bind">A directory of the host, as <c>source:target:ro</c>.</param>
    /// <returns>How many bytes it has written.</returns>
    public async Task<long> RunAsync(IReadOnlyList<string> command, Action<ReadOnlySequence<byte>>? onOutput = null, string? bind = null)
    {
        using var created = await SendAsync(HttpMethod.Post, "containers/create", BodyOf(command, bind));
        using var answer = await JsonDocument.ParseAsync(await created.Content.ReadAsStreamAsync());
        var container = $"containers/{answer.RootElement.GetProperty("Id").GetString()}";
        try
        {
            using var attached = await SendAsync(HttpMethod.Post, $"{container}/attach?stream=1&stdout=1&stderr=1", upgrade: true);
            using (await SendAsync(HttpMethod.Post, $"{container}/start")) { }

            var waiting = SendAsync(HttpMethod.Post, $"{container}/wait");
            var bytes = await ReadAsync(await attached.Content.ReadAsStreamAsync(), onOutput);
            using var waited = await waiting;
            using var end = await JsonDocument.ParseAsync(await waited.Content.ReadAsStreamAsync());
            if (end.RootElement.GetProperty("StatusCode").GetInt32() is not 0 and var code) throw new InvalidOperationException($"The job failed with {code}.");
            return bytes;
        }
        finally
        {
            using (await SendAsync(HttpMethod.Delete, $"{container}?force=1&v=1")) { }
        }
    }

    /// <summary>The newest version of the API that the Engine has.</summary>
    public async Task<string> GetApiVersionAsync()
    {
        using var answer = await SendAsync(HttpMethod.Get, "version");
        using var version = await JsonDocument.ParseAsync(await answer.Content.ReadAsStreamAsync());
        return version.RootElement.GetProperty("ApiVersion").GetString()!;
    }

    public void Dispose() => _client.Dispose();

    // The same container as Ergon's.
    private static string BodyOf(IReadOnlyList<string> command, string? bind) => new JsonObject
    {
        ["Image"] = "busybox:latest",
        ["Cmd"] = new JsonArray([.. command.Select(c => (JsonNode)c)]),
        ["AttachStdout"] = true,
        ["AttachStderr"] = true,
        ["HostConfig"] = new JsonObject
        {
            ["NetworkMode"] = "none",
            ["CapDrop"] = new JsonArray("ALL"),
            ["SecurityOpt"] = new JsonArray("no-new-privileges"),
            ["PidsLimit"] = 512,
            ["Init"] = true,
            ["Binds"] = bind is null ? null : new JsonArray(bind),
            ["LogConfig"] = new JsonObject { ["Type"] = "local", ["Config"] = new JsonObject { ["max-size"] = "8g", ["max-file"] = "1", ["compress"] = "false" } },
        },
    }.ToJsonString();

    private async Task<HttpResponseMessage> SendAsync(HttpMethod method, string path, string? json = null, bool upgrade = false)
    {
        using var request = new HttpRequestMessage(method, path);
        if (json is not null) request.Content = new StringContent(json, Encoding.UTF8, "application/json");
        if (upgrade)
        {
            request.Headers.Connection.Add("Upgrade");
            request.Headers.Upgrade.Add(new ProductHeaderValue("tcp"));
        }

        var response = await _client.SendAsync(request, HttpCompletionOption.ResponseHeadersRead);
        if ((int)response.StatusCode >= 300) throw new InvalidOperationException($"{method} {path}: {(int)response.StatusCode} {await response.Content.ReadAsStringAsync()}");
        return response;
    }

    private static async Task<long> ReadAsync(Stream stream, Action<ReadOnlySequence<byte>>? onOutput)
    {
        var reader = PipeReader.Create(stream, new StreamPipeReaderOptions(bufferSize: 65536));
        var (total, left) = (0L, 0L);
        while (true)
        {
            var read = await reader.ReadAsync();
            var buffer = read.Buffer;
            while (left > 0 ? !buffer.IsEmpty : buffer.Length >= FrameHeader)
            {
                if (left == 0)
                {
                    left = FrameLength(buffer);
                    buffer = buffer.Slice(FrameHeader);
                    continue;
                }

                var piece = buffer.Slice(0, Math.Min(left, buffer.Length));
                onOutput?.Invoke(piece);
                (total, left, buffer) = (total + piece.Length, left - piece.Length, buffer.Slice(piece.Length));
            }

            reader.AdvanceTo(buffer.Start, buffer.End);
            if (read.IsCompleted) return total;
        }
    }

    private static uint FrameLength(ReadOnlySequence<byte> buffer)
    {
        Span<byte> header = stackalloc byte[FrameHeader];
        buffer.Slice(0, FrameHeader).CopyTo(header);
        return BinaryPrimitives.ReadUInt32BigEndian(header[4..]);
    }
}
