using System.Globalization;
using Ergon.Daemon.Security;
using Ergon.Json;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Routing;

namespace Ergon.Daemon.Http;

/// <summary>One call over HTTP: reads its parameters, and writes its answer.</summary>
internal sealed class HttpCall(HttpContext context, CancellationToken cancellationToken)
{
    private readonly RequestProblems _problems = new();

    public HttpContext Context => context;

    /// <summary>Cancelled when the client goes away, or the daemon is being stopped.</summary>
    public CancellationToken Token => cancellationToken;

    public Caller Caller => context.Features.Get<Caller>() ?? Caller.Unknown;

    /// <summary>The execution that the path names.</summary>
    public ExecutionId Id
    {
        get
        {
            var text = context.GetRouteValue("id") as string ?? "";
            return ExecutionId.TryParse(text, out var id) ? id : throw new ExecutorException([new RequestProblem("execution_id", $"is '{Quoted.Clip(text)}'; give {Identifier.Rule}.")], null);
        }
    }

    public string? Text(string name) => context.Request.Query.TryGetValue(name, out var values) && values.Count > 0 ? values[^1] : null;

    public IReadOnlyList<string> Texts(string name) => [.. context.Request.Query[name].OfType<string>()];

    public bool Flag(string name)
    {
        if (Text(name) is not { } text) return false;
        if (text is "true" or "1" or "") return true;
        if (text is not ("false" or "0")) _problems.Invalid(name, $"is '{Quoted.Clip(text)}'; give true or false.");
        return false;
    }

    public TimeSpan? Time(string name)
    {
        if (Text(name) is not { } text) return null;
        if (Duration.TryParse(text, out var time)) return time;
        _problems.Invalid(name, $"is '{Quoted.Clip(text)}'; give a duration such as 30s.");
        return null;
    }

    public int? Count(string name)
    {
        if (Text(name) is not { } text) return null;
        if (int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out var count)) return count;
        _problems.Invalid(name, $"is '{Quoted.Clip(text)}'; give a whole number.");
        return null;
    }

    public JobId? Job(string name)
    {
        if (Text(name) is not { } text) return null;
        if (JobId.TryParse(text, out var id)) return id;
        _problems.Invalid(name, $"is '{Quoted.Clip(text)}'; give {Identifier.Rule}.");
        return null;
    }

    public ExecutionStatus? Status(string name, string text)
    {
        if (text.All(char.IsAsciiLetter) && Enum.TryParse<ExecutionStatus>(text, ignoreCase: true, out var status)) return status;
        _problems.Invalid(name, $"is '{Quoted.Clip(text)}'; give pending, running, paused, success or failed.");
        return null;
    }

    public void Invalid(string field, string message) => _problems.Invalid(field, message);

    /// <exception cref="ExecutorException"><see cref="ErrorCode.InvalidRequest"/> with every parameter that is wrong.</exception>
    public void ThrowIfInvalid() => _problems.ThrowIfAny();

    public async Task<ReadOnlyMemory<byte>> ReadBodyAsync()
    {
        using var body = new MemoryStream();
        await context.Request.Body.CopyToAsync(body, cancellationToken);
        return body.GetBuffer().AsMemory(0, (int)body.Length);
    }

    public Task WriteAsync(ReadOnlyMemory<byte> json, int status = StatusCodes.Status200OK) => WriteAsync(json, status, "application/json");

    public async Task WriteAsync(ReadOnlyMemory<byte> content, int status, string contentType)
    {
        context.Response.StatusCode = status;
        context.Response.ContentType = contentType;
        context.Response.ContentLength = content.Length;
        await context.Response.Body.WriteAsync(content, cancellationToken);
    }

    public void WriteNothing() => context.Response.StatusCode = StatusCodes.Status204NoContent;
}
