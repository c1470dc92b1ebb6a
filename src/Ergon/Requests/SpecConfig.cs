using System.Text.Json;
using System.Text.Json.Nodes;

namespace Ergon;

/// <summary>The backend-specific half of a request: a type that names the backend and parameters that only its driver understands.</summary>
public sealed record SpecConfig
{
    /// <summary>The executor that understands the parameters: <c>docker</c>, <c>process</c>, <c>qemu</c>, <c>firecracker</c>.</summary>
    public required string Type { get; init; }

    /// <summary>The parameters, by their snake_case names.</summary>
    public IReadOnlyDictionary<string, JsonElement> Params { get; init; } = new Dictionary<string, JsonElement>();

    /// <summary>Creates a spec from a JSON object.</summary>
    public static SpecConfig Create(string type, JsonObject parameters)
    {
        var elements = new Dictionary<string, JsonElement>(StringComparer.Ordinal);
        foreach (var (name, value) in parameters)
        {
            using var document = JsonDocument.Parse(value?.ToJsonString() ?? "null");
            elements[name] = document.RootElement.Clone();
        }

        return new SpecConfig { Type = type, Params = elements };
    }
}
