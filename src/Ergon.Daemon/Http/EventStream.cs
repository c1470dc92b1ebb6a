using System.Text;
using Microsoft.AspNetCore.Http.Features;

namespace Ergon.Daemon.Http;

/// <summary>Server-Sent Events: one event at a time, each written out at once; whoever reads slowly slows this stream alone.</summary>
internal sealed class EventStream
{
    private readonly HttpCall _call;

    private EventStream(HttpCall call) => _call = call;

    /// <summary>Begins the stream: the headers go out now.</summary>
    public static async Task<EventStream> BeginAsync(HttpCall call)
    {
        var response = call.Context.Response;
        response.ContentType = "text/event-stream";
        response.Headers.CacheControl = "no-cache";

        // For proxies that would collect it.
        response.Headers["X-Accel-Buffering"] = "no";
        call.Context.Features.Get<IHttpResponseBodyFeature>()?.DisableBuffering();
        await response.StartAsync(call.Token);
        await response.Body.FlushAsync(call.Token);
        return new EventStream(call);
    }

    /// <summary>The stream that a call has begun.</summary>
    public static EventStream Continue(HttpCall call) => new(call);

    /// <summary>Writes an event.</summary>
    /// <param name="type">Its type.</param>
    /// <param name="id">What a client that comes back sends as <c>Last-Event-ID</c>.</param>
    /// <param name="data">One line of JSON.</param>
    public async Task WriteAsync(string type, string? id, ReadOnlyMemory<byte> data)
    {
        var body = _call.Context.Response.Body;
        await body.WriteAsync(Encoding.UTF8.GetBytes(id is null ? $"event: {type}\ndata: " : $"id: {id}\nevent: {type}\ndata: "), _call.Token);
        await body.WriteAsync(data, _call.Token);
        await body.WriteAsync("\n\n"u8.ToArray(), _call.Token);
        await body.FlushAsync(_call.Token);
    }
}
