using System.Text;
using System.Text.Json.Nodes;

namespace Ergon.Firecracker.StandIn.Http;

/// <summary>An answer, with Firecracker's own peculiarities: no reason phrase, and no length where there is no body.</summary>
internal sealed record HttpAnswer(int Status, string? Body = null)
{
    /// <summary>Whether the request used something that is deprecated.</summary>
    public bool IsDeprecated { get; init; }

    public static HttpAnswer Done { get; } = new(204);

    public static HttpAnswer Continue { get; } = new(100);

    public static HttpAnswer Of(JsonNode content) => new(200, content.ToJsonString());

    public static HttpAnswer Fault(string message) => new(400, new JsonObject { ["fault_message"] = message }.ToJsonString());

    // A raw line break in a JSON string, as the real one writes it.
    public static HttpAnswer Unparsed(string message) => new(400, $"{{ \"error\": \"{message}\nAll previous unanswered requests will be dropped.\" }}");

    public byte[] ToBytes()
    {
        var text = new StringBuilder($"HTTP/1.1 {Status} \r\nServer: Firecracker API\r\nConnection: keep-alive\r\n");
        if (IsDeprecated) text.Append("Deprecation: true\r\n");
        var body = Body is null ? [] : Encoding.UTF8.GetBytes(Body);
        if (Body is not null) text.Append("Content-Type: application/json\r\n").Append("Content-Length: ").Append(body.Length).Append("\r\n");
        return [.. Encoding.ASCII.GetBytes(text.Append("\r\n").ToString()), .. body];
    }
}
