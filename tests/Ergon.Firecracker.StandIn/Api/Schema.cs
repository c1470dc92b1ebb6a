using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;

namespace Ergon.Firecracker.StandIn.Api;

internal enum FieldKind
{
    Text,
    Number,
    Flag,
    Object,
    List,
}

/// <summary>A member of a body.</summary>
internal sealed record Field(string Name, FieldKind Kind)
{
    public bool IsRequired { get; init; }

    /// <summary>The texts that it may be; empty: any.</summary>
    public IReadOnlyList<string> Variants { get; init; } = [];

    /// <summary>What is in it; <see langword="null"/>: anything.</summary>
    public Schema? Schema { get; init; }

    /// <summary>The largest number that it may be.</summary>
    public long Most { get; init; } = uint.MaxValue;
}

/// <summary>What a body may be: every member that is not named here is refused.</summary>
internal sealed record Schema(params IReadOnlyList<Field> Fields)
{
    private const string Prefix = "An error occurred when deserializing the json body of a request: ";

    /// <summary>Reads a body.</summary>
    /// <exception cref="FaultException">It is not as it must be.</exception>
    public JsonObject Read(byte[] body)
    {
        try
        {
            using var document = JsonDocument.Parse(body);
            Check(document.RootElement, body);
            return JsonNode.Parse(body)!.AsObject();
        }
        catch (JsonException e)
        {
            throw Fault("expected value", (int)(e.BytePositionInLine ?? 0) + 1);
        }
    }

    private void Check(JsonElement element, byte[] body)
    {
        if (element.ValueKind != JsonValueKind.Object) throw Fault($"invalid type: {Describe(element)}, expected struct", body.Length);
        foreach (var member in element.EnumerateObject())
        {
            var field = Fields.FirstOrDefault(f => f.Name == member.Name) ??
                throw Fault($"unknown field `{member.Name}`, {Expected(Fields.Select(f => f.Name))}", EndOf(body, $"\"{member.Name}\""));
            Check(field, member.Value, body);
        }

        if (Fields.FirstOrDefault(f => f.IsRequired && !element.TryGetProperty(f.Name, out _)) is { } missing)
            throw Fault($"missing field `{missing.Name}`", body.Length);
    }

    private static void Check(Field field, JsonElement value, byte[] body)
    {
        if (value.ValueKind == JsonValueKind.Null && !field.IsRequired) return;
        var end = EndOf(body, value.GetRawText());
        var wanted = field.Kind switch
        {
            FieldKind.Text => value.ValueKind == JsonValueKind.String ? null : "a string",
            FieldKind.Number => value.ValueKind == JsonValueKind.Number && value.TryGetInt64(out var number) && number >= 0 && number <= field.Most ? null : "an unsigned integer",
            FieldKind.Flag => value.ValueKind is JsonValueKind.True or JsonValueKind.False ? null : "a boolean",
            FieldKind.List => value.ValueKind == JsonValueKind.Array ? null : "a sequence",
            _ => value.ValueKind == JsonValueKind.Object ? null : "a map",
        };
        if (wanted is not null) throw Fault($"invalid type: {Describe(value)}, expected {wanted}", end);
        if (field.Variants.Count > 0 && !field.Variants.Contains(value.GetString()!))
            throw Fault($"unknown variant `{value.GetString()}`, {Expected(field.Variants)}", end);
        field.Schema?.Check(value, body);
    }

    private static string Describe(JsonElement value) => value.ValueKind switch
    {
        JsonValueKind.String => $"string {value.GetRawText()}",
        JsonValueKind.Number => $"integer `{value.GetRawText()}`",
        JsonValueKind.True or JsonValueKind.False => $"boolean `{value.GetRawText()}`",
        JsonValueKind.Array => "sequence",
        JsonValueKind.Object => "map",
        _ => "null",
    };

    private static string Expected(IEnumerable<string> names)
    {
        var quoted = names.Select(n => $"`{n}`").ToArray();
        return quoted.Length switch
        {
            0 => "there are no fields",
            1 => $"expected {quoted[0]}",
            2 => $"expected {quoted[0]} or {quoted[1]}",
            _ => $"expected one of {string.Join(", ", quoted)}",
        };
    }

    private static int EndOf(byte[] body, string text)
    {
        var bytes = Encoding.UTF8.GetBytes(text);
        return body.AsSpan().IndexOf(bytes) is >= 0 and var at ? at + bytes.Length : body.Length;
    }

    private static FaultException Fault(string what, int column) => new($"{Prefix}{what} at line 1 column {column}.");
}
