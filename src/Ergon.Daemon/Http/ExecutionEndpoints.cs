using System.Text.Json;
using System.Text.Json.Serialization;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Routing;

namespace Ergon.Daemon.Http;

/// <summary>Calls with one answer.</summary>
internal sealed class ExecutionEndpoints(Operations operations)
{
    private static readonly TimeSpan DefaultRemoveTime = TimeSpan.FromSeconds(30);
    private static readonly TimeSpan DefaultExecTime = TimeSpan.FromMinutes(1);
    private const int MaxExecOutput = 1 << 20;

    public async Task StartAsync(HttpCall call)
    {
        var (wait, go) = (call.Flag("wait"), IsGo(call));
        call.ThrowIfInvalid();
        var request = ErgonJson.ParseRequest(await call.ReadBodyAsync());
        if (call.Context.Request.Headers["Idempotency-Key"].ToString() is { Length: > 0 } key) request = request with { RequestKey = request.RequestKey ?? key };
        var started = await operations.StartAsync(call.Caller, request, call.Token);
        call.Context.Response.Headers.Location = $"/v1/executions/{request.ExecutionId}";
        if (wait) await WriteResultAsync(call, await started.Result.WaitAsync(call.Token), go);
        else await call.WriteAsync(ErgonJson.SerializeInfo(started.Info), StatusCodes.Status201Created);
    }

    public async Task ListAsync(HttpCall call)
    {
        var labels = new Dictionary<string, string>();
        foreach (var label in call.Texts("label"))
        {
            var split = label.IndexOf('=', StringComparison.Ordinal);
            if (split > 0) labels[label[..split]] = label[(split + 1)..];
            else call.Invalid("label", $"is '{Json.Quoted.Clip(label)}'; give NAME=VALUE.");
        }

        var request = new ListRequest
        {
            JobId = call.Job("job_id"),
            Statuses = [.. call.Texts("status").Select(s => call.Status("status", s)).OfType<ExecutionStatus>()],
            Labels = labels,
        };
        var size = call.Count("page_size") ?? 0;
        call.ThrowIfInvalid();
        var (page, next) = await operations.ListAsync(request, call.Text("executor"), call.Text("id_prefix"), size, call.Text("page_token") ?? "", call.Token);
        await call.WriteAsync(Payloads.Page(page, next));
    }

    public async Task GetAsync(HttpCall call)
    {
        var id = call.Id;
        var wanted = call.Text("wait_for") is { } text ? call.Status("wait_for", text) : null;
        var timeout = call.Time("timeout") ?? Timeout.InfiniteTimeSpan;
        call.ThrowIfInvalid();
        var info = wanted is { } status ? await operations.WaitForStatusAsync(id, status, timeout, call.Token) : await operations.GetStatusAsync(id, call.Token);
        await call.WriteAsync(ErgonJson.SerializeInfo(info));
    }

    public async Task RemoveAsync(HttpCall call)
    {
        var id = call.Id;
        var timeout = call.Time("timeout") ?? DefaultRemoveTime;
        call.ThrowIfInvalid();
        await operations.RemoveAsync(call.Caller, id, timeout, call.Token);
        call.WriteNothing();
    }

    public async Task WaitAsync(HttpCall call)
    {
        var (id, timeout, go) = (call.Id, call.Time("timeout"), IsGo(call));
        call.ThrowIfInvalid();
        using var deadline = CancellationTokenSource.CreateLinkedTokenSource(call.Token);
        if (timeout is { } time) deadline.CancelAfter(time);
        try
        {
            await WriteResultAsync(call, await operations.WaitAsync(id, deadline.Token), go);
        }
        catch (OperationCanceledException) when (!call.Token.IsCancellationRequested)
        {
            throw new ExecutorException(ErrorCode.WaitTimedOut, $"Execution '{id}' did not end within {Duration.Format(timeout!.Value)}. Ask again.", id);
        }
    }

    public async Task CancelAsync(HttpCall call)
    {
        await operations.CancelAsync(call.Caller, call.Id, call.Token);
        call.WriteNothing();
    }

    public async Task PauseAsync(HttpCall call)
    {
        await operations.PauseAsync(call.Caller, call.Id, call.Token);
        call.WriteNothing();
    }

    public async Task ResumeAsync(HttpCall call)
    {
        await operations.ResumeAsync(call.Caller, call.Id, call.Token);
        call.WriteNothing();
    }

    public async Task SignalAsync(HttpCall call)
    {
        var id = call.Id;
        var body = Parse(await call.ReadBodyAsync(), HttpBodies.Default.SignalBody);
        if (!Signal.TryParse(body.Signal, null, out var signal)) throw new ExecutorException([new RequestProblem("signal", $"is '{Json.Quoted.Clip(body.Signal)}'; give a name such as SIGTERM, or a number.")], id);
        await operations.SignalAsync(call.Caller, id, signal, call.Token);
        call.WriteNothing();
    }

    public async Task ExecAsync(HttpCall call)
    {
        var (id, timeout) = (call.Id, call.Time("timeout") ?? DefaultExecTime);
        call.ThrowIfInvalid();
        var body = Parse(await call.ReadBodyAsync(), HttpBodies.Default.ExecBody);
        using var deadline = CancellationTokenSource.CreateLinkedTokenSource(call.Token);
        deadline.CancelAfter(timeout);
        try
        {
            await using var session = await operations.ExecAsync(call.Caller, id, body.ToRequest(), deadline.Token);
            var input = FeedAsync(session, body.Stdin, deadline.Token);
            var output = await Task.WhenAll(ReadAsync(session.StandardOutput, deadline.Token), ReadAsync(session.StandardError, deadline.Token));
            var code = await session.WaitAsync(deadline.Token);
            await input;
            await call.WriteAsync(Payloads.Exec(code, output[0].Head, output[1].Head, output[0].Truncated || output[1].Truncated));
        }
        catch (OperationCanceledException) when (!call.Token.IsCancellationRequested)
        {
            throw new ExecutorException(ErrorCode.WaitTimedOut, $"The command did not end within {Duration.Format(timeout)} and was killed. Give it a longer timeout.", id);
        }
    }

    public Task ListExecutorsAsync(HttpCall call) => call.WriteAsync(Payloads.Executors(operations.Executors.All));

    public async Task FingerprintAsync(HttpCall call) =>
        await call.WriteAsync(ErgonJson.SerializeFingerprint(await operations.FingerprintAsync(call.Context.GetRouteValue("name") as string ?? "", call.Token)));

    private static bool IsGo(HttpCall call)
    {
        var encoding = call.Text("encoding");
        if (encoding is not (null or "go" or "ergon")) call.Invalid("encoding", $"is '{Json.Quoted.Clip(encoding)}'; give ergon or go.");
        return encoding == "go";
    }

    private static Task WriteResultAsync(HttpCall call, ExecutionResult result, bool go) =>
        call.WriteAsync(go ? Payloads.GoResult(result) : ErgonJson.SerializeResult(result));

    private static T Parse<T>(ReadOnlyMemory<byte> json, System.Text.Json.Serialization.Metadata.JsonTypeInfo<T> type)
    {
        try
        {
            return JsonSerializer.Deserialize(json.Span, type) ?? throw new JsonException("it is null");
        }
        catch (JsonException e)
        {
            throw new ExecutorException([new RequestProblem("body", $"cannot be read: {e.Message}")], null);
        }
    }

    // A command need not read its input.
    private static async Task FeedAsync(IExecSession session, string? text, CancellationToken cancellationToken)
    {
        try
        {
            if (text is not null) await session.StandardInput.WriteAsync(System.Text.Encoding.UTF8.GetBytes(text), cancellationToken);
            await session.StandardInput.DisposeAsync();
        }
        catch (IOException)
        {
            // It has ended.
        }
    }

    private static async Task<(ReadOnlyMemory<byte> Head, bool Truncated)> ReadAsync(Stream stream, CancellationToken cancellationToken)
    {
        using var head = new MemoryStream();
        var buffer = new byte[32 * 1024];
        var truncated = false;
        while (await stream.ReadAsync(buffer, cancellationToken) is > 0 and var read)
        {
            var kept = (int)Math.Min(read, MaxExecOutput - head.Length);
            await head.WriteAsync(buffer.AsMemory(0, kept), cancellationToken);
            truncated |= kept < read;
        }

        return (head.ToArray(), truncated);
    }
}

/// <summary>The body of <c>signal</c>.</summary>
internal sealed record SignalBody
{
    public required string Signal { get; init; }
}

/// <summary>The body of <c>exec</c>.</summary>
internal sealed record ExecBody
{
    public required IReadOnlyList<string> Command { get; init; }

    public IReadOnlyDictionary<string, string>? Environment { get; init; }

    public string? WorkingDirectory { get; init; }

    public string? Stdin { get; init; }

    public ExecRequest ToRequest() => new() { Command = Command, Environment = Environment ?? new Dictionary<string, string>(), WorkingDirectory = WorkingDirectory, Stdin = Stdin is not null };
}

[JsonSourceGenerationOptions(
    PropertyNamingPolicy = JsonKnownNamingPolicy.SnakeCaseLower, UnmappedMemberHandling = JsonUnmappedMemberHandling.Disallow, RespectNullableAnnotations = true)]
[JsonSerializable(typeof(SignalBody))]
[JsonSerializable(typeof(ExecBody))]
internal sealed partial class HttpBodies : JsonSerializerContext;
