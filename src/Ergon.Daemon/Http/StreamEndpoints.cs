using System.Globalization;
using System.Text.Json;
using Ergon.Daemon.Executors;
using Ergon.Daemon.Rpc;

namespace Ergon.Daemon.Http;

/// <summary>Calls that stream. A client that comes back with <c>Last-Event-ID</c> goes on where it was.</summary>
internal sealed class StreamEndpoints(Operations operations, DaemonIdentity identity)
{
    public async Task LogsAsync(HttpCall call)
    {
        var id = call.Id;
        var request = new LogStreamRequest { ExecutionId = id, JobId = call.Job("job_id"), Tail = call.Flag("tail"), Follow = call.Flag("follow"), Cursor = Cursor(call) };
        var only = Stream(call);
        call.ThrowIfInvalid();
        var (log, cursor) = await operations.OpenLogAsync(request, call.Token);
        var entries = log.ReadAsync(request.Follow, call.Token);
        if (only is not null)
        {
            await WriteBytesAsync(call, entries, only.Value);
            return;
        }

        var stream = await EventStream.BeginAsync(call);
        await foreach (var entry in entries)
        {
            cursor = cursor.After(entry);
            var place = string.Create(CultureInfo.InvariantCulture, $"{cursor.Position}.{cursor.Offset}");
            await stream.WriteAsync(entry.Stream == OutputStream.Stdout ? "stdout" : "stderr", place, Payloads.Log(entry));
        }

        await stream.WriteAsync("end", null, "{}"u8.ToArray());
    }

    public async Task StatsAsync(HttpCall call)
    {
        var samples = await operations.OpenStatsAsync(call.Id, call.Token);
        EventStream? stream = null;
        await foreach (var sample in samples)
        {
            stream ??= await EventStream.BeginAsync(call);
            await stream.WriteAsync("stats", null, ErgonJson.SerializeStats(sample));
        }

        stream ??= await EventStream.BeginAsync(call);
        await stream.WriteAsync("end", null, "{}"u8.ToArray());
    }

    public async Task EventsAsync(HttpCall call)
    {
        ExecutionId? id = call.Text("execution_id") is { } text ? ExecutionId.TryParse(text, out var parsed) ? parsed : null : null;
        if (id is null && call.Text("execution_id") is { } wrong) call.Invalid("execution_id", $"is '{Json.Quoted.Clip(wrong)}'; give {Identifier.Rule}.");
        var request = new WatchRequest { ExecutionId = id, JobId = call.Job("job_id"), After = call.Count("after") };
        call.ThrowIfInvalid();
        var last = call.Context.Request.Headers["Last-Event-ID"].ToString();
        var subscription = EventSubscription.Create(operations.Executors, request, call.Text("executor"), last, identity.Id, call.Token);
        var stream = await EventStream.BeginAsync(call);
        if (subscription.Gap) await stream.WriteAsync("gap", subscription.Cursor, "{}"u8.ToArray());
        await foreach (var e in subscription.ReadAsync(call.Token))
        {
            if (e is null) await stream.WriteAsync("gap", subscription.Cursor, "{}"u8.ToArray());
            else await stream.WriteAsync(JsonNamingPolicy.SnakeCaseLower.ConvertName(e.Type.ToString()), subscription.Cursor, ErgonJson.SerializeEvent(e));
        }

        await stream.WriteAsync("end", null, "{}"u8.ToArray());
    }

    private static LogCursor? Cursor(HttpCall call)
    {
        var text = call.Context.Request.Headers["Last-Event-ID"].ToString() is { Length: > 0 } last ? last : call.Text("cursor");
        if (text is null) return null;
        if (text.Split('.') is [var position, var offset]
            && long.TryParse(position, NumberStyles.None, CultureInfo.InvariantCulture, out var p)
            && long.TryParse(offset, NumberStyles.None, CultureInfo.InvariantCulture, out var o))
        {
            return new LogCursor(p, o);
        }

        call.Invalid("cursor", $"is '{Json.Quoted.Clip(text)}'; give the id of an earlier event, such as 3.120.");
        return null;
    }

    private static OutputStream? Stream(HttpCall call)
    {
        var text = call.Text("stream");
        if (text is null) return null;
        if (text is "stdout" or "stderr") return text == "stdout" ? OutputStream.Stdout : OutputStream.Stderr;
        call.Invalid("stream", $"is '{Json.Quoted.Clip(text)}'; give stdout or stderr, or leave it out for both as events.");
        return null;
    }

    // One stream alone is what the job wrote, byte for byte.
    private static async Task WriteBytesAsync(HttpCall call, IAsyncEnumerable<LogEntry> entries, OutputStream only)
    {
        call.Context.Response.ContentType = "application/octet-stream";
        await call.Context.Response.StartAsync(call.Token);
        await foreach (var entry in entries)
        {
            if (entry.Stream != only) continue;
            await call.Context.Response.Body.WriteAsync(entry.Data, call.Token);
            await call.Context.Response.Body.FlushAsync(call.Token);
        }
    }
}
