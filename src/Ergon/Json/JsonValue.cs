using System.Text.Json;

namespace Ergon.Json;

/// <summary>
/// One value of a request. Each of its readers gives the value, or <see langword="null"/> after it has added the problem.
/// </summary>
internal readonly struct JsonValue(JsonElement element, string path, JsonProblems problems)
{
    /// <summary>Where it is in the request.</summary>
    public string Path => path;

    /// <summary>Whether it is anything but null.</summary>
    public bool IsGiven => element.ValueKind != JsonValueKind.Null;

    /// <summary>Whether it is a list.</summary>
    public bool IsList => element.ValueKind == JsonValueKind.Array;

    /// <summary>Adds a problem of this value.</summary>
    public void Invalid(string message) => problems.Invalid(path, message);

    /// <summary>An object with these fields.</summary>
    public JsonFields? Fields(FieldNames names)
    {
        if (element.ValueKind == JsonValueKind.Object) return new JsonFields(element, path, names, problems);
        Refuse($"an object with {string.Join(", ", names.Known)}");
        return null;
    }

    /// <summary>A list; what cannot be read of it is left out.</summary>
    public IReadOnlyList<T> List<T>(Func<JsonValue, T?> read, string expected)
        where T : class
    {
        if (!IsList)
        {
            Refuse(expected);
            return [];
        }

        var items = new List<T>(element.GetArrayLength());
        foreach (var (i, item) in element.EnumerateArray().Index())
            if (read(new JsonValue(item, $"{path}[{i}]", problems)) is { } value) items.Add(value);
        return items;
    }

    /// <summary>An object whose names are the caller's own: each once, in the order in which they are written.</summary>
    public IReadOnlyList<KeyValuePair<string, JsonValue>> Entries(string expected)
    {
        if (element.ValueKind != JsonValueKind.Object)
        {
            Refuse(expected);
            return [];
        }

        var names = new HashSet<string>();
        var entries = new List<KeyValuePair<string, JsonValue>>();
        foreach (var property in element.EnumerateObject())
        {
            var entry = new JsonValue(property.Value, $"{path}.{Quoted.Clip(property.Name)}", problems);
            if (property.Name.Contains('\0')) entry.Invalid("has NUL in its name.");
            else if (names.Add(property.Name)) entries.Add(new(property.Name, entry));
            else entry.Invalid("is given twice; give it once.");
        }

        return entries;
    }

    /// <summary>A text without NUL, which neither a path nor a variable can hold.</summary>
    public string? Text(string expected = "a text in quotes")
    {
        if (element.ValueKind != JsonValueKind.String) return Refuse(expected);
        var text = element.GetString()!;
        if (!text.Contains('\0')) return text;
        Invalid("contains NUL, which no text of a request can hold.");
        return null;
    }

    /// <summary>True or false.</summary>
    public bool? Flag()
    {
        if (element.ValueKind is JsonValueKind.True or JsonValueKind.False) return element.GetBoolean();
        Refuse("true or false");
        return null;
    }

    /// <summary>A number that may have a fraction.</summary>
    public double? Number()
    {
        if (element.ValueKind == JsonValueKind.Number && element.TryGetDouble(out var number) && double.IsFinite(number)) return number;
        Refuse("a number");
        return null;
    }

    /// <summary>A whole number.</summary>
    public long? Integer(long min = long.MinValue, long max = long.MaxValue, string expected = "a whole number")
    {
        if (element.ValueKind == JsonValueKind.Number && element.TryGetInt64(out var number) && number >= min && number <= max) return number;
        Refuse(expected);
        return null;
    }

    /// <summary>A size: bytes, or text such as <c>256m</c>.</summary>
    public long? Size(long min = long.MinValue, long max = long.MaxValue)
    {
        if (element.ValueKind != JsonValueKind.String) return Integer(min, max, ByteSize.Expected);
        if (ByteSize.TryParse(element.GetString(), out var bytes) && bytes <= max) return bytes;
        Refuse(ByteSize.Expected);
        return null;
    }

    /// <summary>A duration: text such as <c>30s</c>, or whole nanoseconds.</summary>
    public TimeSpan? Time()
    {
        if (element.ValueKind == JsonValueKind.String && Duration.TryParse(element.GetString(), out var duration)) return duration;
        if (element.ValueKind == JsonValueKind.Number && element.TryGetInt64(out var number) && Duration.TryFromNanoseconds(number, out duration)) return duration;
        Refuse($"{Duration.Expected}; or whole nanoseconds without a unit");
        return null;
    }

    /// <summary>One of the names of an enumeration.</summary>
    public T? Choice<T>()
        where T : struct, Enum
    {
        var names = Array.ConvertAll(Enum.GetNames<T>(), JsonNamingPolicy.SnakeCaseLower.ConvertName);
        if (Text($"one of {string.Join(", ", names)}") is not { } text) return null;
        var index = Array.FindIndex(names, name => NearestName.Normalize(name) == NearestName.Normalize(text));
        if (index >= 0) return Enum.GetValues<T>()[index];
        Invalid($"is '{Quoted.Clip(text)}'; {NearestName.Explain(text, names)}");
        return null;
    }

    /// <summary>Bytes in base64.</summary>
    public byte[]? Base64()
    {
        if (element.ValueKind == JsonValueKind.String && element.TryGetBytesFromBase64(out var bytes)) return bytes;
        Refuse("bytes in base64");
        return null;
    }

    /// <summary>A value that outlives the text it was read from, and that nobody here understands: only its names are looked at.</summary>
    public JsonElement? Opaque()
    {
        if (FindDuplicate(element) is not { } name) return element.Clone();
        Invalid($"has '{Quoted.Clip(name)}' twice; give it once.");
        return null;
    }

    // The depth of a parsed text is bounded.
    private static string? FindDuplicate(JsonElement value)
    {
        if (value.ValueKind == JsonValueKind.Array) return value.EnumerateArray().Select(FindDuplicate).FirstOrDefault(name => name is not null);
        if (value.ValueKind != JsonValueKind.Object) return null;
        var names = new HashSet<string>();
        foreach (var property in value.EnumerateObject())
        {
            if (!names.Add(property.Name)) return property.Name;
            if (FindDuplicate(property.Value) is { } name) return name;
        }

        return null;
    }

    private string? Refuse(string expected)
    {
        var given = element.ValueKind switch
        {
            JsonValueKind.String => $"'{Quoted.Clip(element.GetString()!)}'",
            JsonValueKind.Number => Quoted.Clip(element.GetRawText()),
            JsonValueKind.Array => "a list",
            JsonValueKind.Object => "an object",
            var kind => kind.ToString().ToLowerInvariant(),
        };
        problems.Invalid(path, $"is {given}; give {expected}.");
        return null;
    }
}
