using System.Net;
using System.Text.Json;

namespace Ergon.Docker.Api;

/// <summary>The Engine refused a call. The message is in the Engine's own words.</summary>
internal sealed class EngineApiException(HttpStatusCode status, string message) : Exception(message)
{
    /// <summary>The status of its answer.</summary>
    public HttpStatusCode Status => status;

    /// <summary>Reads the Engine's words out of the body of an answer.</summary>
    public static EngineApiException Of(HttpStatusCode status, string body)
    {
        try
        {
            using var document = JsonDocument.Parse(body);
            if (document.RootElement.TryGetProperty("message", out var message) && message.GetString() is { } text) return new EngineApiException(status, text.Trim());
        }
        catch (Exception failure) when (failure is JsonException or InvalidOperationException)
        {
            // Not every answer is JSON: a proxy in between has its own ideas.
        }

        return new EngineApiException(status, string.IsNullOrWhiteSpace(body) ? $"HTTP status {(int)status}" : body.Trim());
    }
}
