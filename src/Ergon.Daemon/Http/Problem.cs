using System.Buffers;
using System.Text.Json;
using Microsoft.AspNetCore.Http;

namespace Ergon.Daemon.Http;

/// <summary>Errors as RFC 9457 says: <c>application/problem+json</c>, with the contract's own members.</summary>
internal static class Problem
{
    public static string NameOf(ErrorCode code) => JsonNamingPolicy.SnakeCaseLower.ConvertName(code.ToString());

    public static int StatusOf(ErrorCode code) => code switch
    {
        ErrorCode.InvalidRequest => StatusCodes.Status400BadRequest,
        ErrorCode.ExecutionNotFound => StatusCodes.Status404NotFound,
        ErrorCode.ExecutionAlreadyStarted or ErrorCode.ExecutionAlreadyConcluded or ErrorCode.InvalidState => StatusCodes.Status409Conflict,
        ErrorCode.NotSupported => StatusCodes.Status422UnprocessableEntity,
        ErrorCode.ResourcesUnavailable or ErrorCode.WatcherTooSlow => StatusCodes.Status429TooManyRequests,
        ErrorCode.ImageUnavailable => StatusCodes.Status424FailedDependency,
        ErrorCode.BackendUnavailable or ErrorCode.ExecutorClosed => StatusCodes.Status503ServiceUnavailable,
        ErrorCode.PrepareTimedOut or ErrorCode.WaitTimedOut => StatusCodes.Status504GatewayTimeout,
        ErrorCode.Cancelled => StatusCodes.Status409Conflict,
        ErrorCode.StorageFailed => StatusCodes.Status507InsufficientStorage,
        _ => StatusCodes.Status500InternalServerError,
    };

    public static Task WriteAsync(HttpContext context, ExecutorException error) =>
        WriteAsync(context, StatusOf(error.Code), Serialize(StatusOf(error.Code), NameOf(error.Code), error.Message, error));

    public static Task WriteAsync(HttpContext context, int status, string code, string message) =>
        WriteAsync(context, status, Serialize(status, code, message, error: null));

    public static byte[] Serialize(int status, string code, string message, ExecutorException? error)
    {
        var buffer = new ArrayBufferWriter<byte>();
        using (var json = new Utf8JsonWriter(buffer, Payloads.Relaxed))
        {
            json.WriteStartObject();
            json.WriteString("type", $"urn:ergon:error:{code}");
            json.WriteString("title", code.Replace('_', ' '));
            json.WriteNumber("status", status);
            json.WriteString("detail", message);
            json.WriteString("code", code);
            if (error?.ExecutionId is { } id) json.WriteString("execution_id", id.Value);
            if (error is not null) WriteProblems(json, error);
            json.WriteEndObject();
        }

        return buffer.WrittenSpan.ToArray();
    }

    private static void WriteProblems(Utf8JsonWriter json, ExecutorException error)
    {
        json.WriteStartArray("problems");
        foreach (var problem in error.Problems)
        {
            json.WriteStartObject();
            json.WriteString("field", problem.Field);
            json.WriteString("message", problem.Message);
            json.WriteString("kind", JsonNamingPolicy.SnakeCaseLower.ConvertName(problem.Kind.ToString()));
            json.WriteEndObject();
        }

        json.WriteEndArray();
    }

    private static async Task WriteAsync(HttpContext context, int status, byte[] body)
    {
        context.Response.StatusCode = status;
        context.Response.ContentType = "application/problem+json";
        context.Response.ContentLength = body.Length;
        await context.Response.Body.WriteAsync(body, context.RequestAborted);
    }
}
