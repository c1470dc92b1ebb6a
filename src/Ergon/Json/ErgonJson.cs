using System.Text.Json;
using System.Text.Json.Serialization.Metadata;
using Ergon.Json;

namespace Ergon;

/// <summary>
/// The JSON form of the contract: snake_case names; sizes as bytes or text such as <c>"256m"</c>; durations as text such as <c>"30s"</c>
/// or whole nanoseconds; bytes in base64.
/// </summary>
/// <remarks>
/// A request's field names are matched without regard to case and underscores, and the names of a Go encoder are known too, so that
/// <c>JobID</c>, <c>EngineSpec</c>, <c>PortsToBind</c>, <c>IP</c>, <c>GatewayIP</c> and <c>PersistLogsDuration</c> are read. Requests are read strictly: an
/// unknown field is a problem, since a limit that is misspelt must not be ignored. What executors write is read leniently: a newer one
/// may have written more.
/// </remarks>
public static class ErgonJson
{
    /// <summary>Reads a request.</summary>
    /// <param name="utf8Json">The JSON, in UTF-8.</param>
    /// <param name="defaults">What a request that leaves it out gets. <see langword="null"/>: it must leave nothing out.</param>
    /// <exception cref="ExecutorException"><see cref="ErrorCode.InvalidRequest"/> with every problem of the JSON.</exception>
    public static ExecutionRequest ParseRequest(ReadOnlyMemory<byte> utf8Json, RequestDefaults? defaults = null) =>
        RequestReader.Read(utf8Json, defaults ?? new RequestDefaults());

    /// <summary>Writes a request.</summary>
    public static byte[] SerializeRequest(ExecutionRequest request) =>
        JsonSerializer.SerializeToUtf8Bytes(request, ErgonJsonContext.Relaxed.ExecutionRequest);

    /// <summary>Reads a result.</summary>
    /// <exception cref="ExecutorException"><see cref="ErrorCode.InvalidRequest"/>: it is none.</exception>
    public static ExecutionResult ParseResult(ReadOnlySpan<byte> utf8Json)
    {
        try
        {
            return Parse(utf8Json, ErgonJsonContext.Relaxed.ExecutionResultJson).ToResult();
        }
        catch (FormatException e)
        {
            throw NotA(nameof(ExecutionResult), e);
        }
    }

    /// <summary>
    /// Writes a result. <c>stdout</c> and <c>stderr</c> are text; when the bytes are not UTF-8, <c>stdout_base64</c> and
    /// <c>stderr_base64</c> have them exactly. <c>stdout_bytes</c> counts what was written in all, <c>stdout_truncated</c> tells whether the text is less.
    /// </summary>
    public static byte[] SerializeResult(ExecutionResult result) =>
        JsonSerializer.SerializeToUtf8Bytes(ExecutionResultJson.From(result), ErgonJsonContext.Relaxed.ExecutionResultJson);

    /// <summary>Reads a snapshot of an execution.</summary>
    /// <exception cref="ExecutorException"><see cref="ErrorCode.InvalidRequest"/>: it is none.</exception>
    public static ExecutionInfo ParseInfo(ReadOnlySpan<byte> utf8Json) => Parse(utf8Json, ErgonJsonContext.Relaxed.ExecutionInfo);

    /// <summary>Writes a snapshot of an execution.</summary>
    public static byte[] SerializeInfo(ExecutionInfo info) =>
        JsonSerializer.SerializeToUtf8Bytes(info, ErgonJsonContext.Relaxed.ExecutionInfo);

    /// <summary>Reads an event.</summary>
    /// <exception cref="ExecutorException"><see cref="ErrorCode.InvalidRequest"/>: it is none.</exception>
    public static ExecutionEvent ParseEvent(ReadOnlySpan<byte> utf8Json) => Parse(utf8Json, ErgonJsonContext.Relaxed.ExecutionEvent);

    /// <summary>Writes an event.</summary>
    public static byte[] SerializeEvent(ExecutionEvent executionEvent) =>
        JsonSerializer.SerializeToUtf8Bytes(executionEvent, ErgonJsonContext.Relaxed.ExecutionEvent);

    /// <summary>Reads a fingerprint.</summary>
    /// <exception cref="ExecutorException"><see cref="ErrorCode.InvalidRequest"/>: it is none.</exception>
    public static ExecutorFingerprint ParseFingerprint(ReadOnlySpan<byte> utf8Json) =>
        Parse(utf8Json, ErgonJsonContext.Relaxed.ExecutorFingerprint);

    /// <summary>Writes a fingerprint.</summary>
    public static byte[] SerializeFingerprint(ExecutorFingerprint fingerprint) =>
        JsonSerializer.SerializeToUtf8Bytes(fingerprint, ErgonJsonContext.Relaxed.ExecutorFingerprint);

    /// <summary>Reads a sample of resource use.</summary>
    /// <exception cref="ExecutorException"><see cref="ErrorCode.InvalidRequest"/>: it is none.</exception>
    public static ExecutionStats ParseStats(ReadOnlySpan<byte> utf8Json) => Parse(utf8Json, ErgonJsonContext.Relaxed.ExecutionStats);

    /// <summary>Writes a sample of resource use.</summary>
    public static byte[] SerializeStats(ExecutionStats stats) =>
        JsonSerializer.SerializeToUtf8Bytes(stats, ErgonJsonContext.Relaxed.ExecutionStats);

    private static T Parse<T>(ReadOnlySpan<byte> utf8Json, JsonTypeInfo<T> type)
        where T : class
    {
        try
        {
            return JsonSerializer.Deserialize(utf8Json, type) ?? throw new JsonException("it is null");
        }
        catch (Exception e) when (e is JsonException or InvalidOperationException or NotSupportedException)
        {
            throw NotA(typeof(T) == typeof(ExecutionResultJson) ? nameof(ExecutionResult) : typeof(T).Name, e);
        }
    }

    private static ExecutorException NotA(string type, Exception cause) =>
        new(ErrorCode.InvalidRequest, $"The JSON is not that of an {type}: {cause.Message}", innerException: cause);
}

/// <summary>What a request that leaves it out gets.</summary>
public sealed record RequestDefaults
{
    /// <summary>The job.</summary>
    public JobId? JobId { get; init; }

    /// <summary>The execution.</summary>
    public ExecutionId? ExecutionId { get; init; }

    /// <summary>The type of the engine spec.</summary>
    public string? EngineType { get; init; }
}
