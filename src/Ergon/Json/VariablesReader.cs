namespace Ergon.Json;

/// <summary>Reads names with a text each.</summary>
internal static class VariablesReader
{
    private const string Expected = "an object of names, each with a text";

    /// <summary>Reads an object of texts; empty when there is none.</summary>
    public static IReadOnlyDictionary<string, string> ReadObject(JsonValue? value, string expected = Expected)
    {
        var variables = new Dictionary<string, string>();
        foreach (var (name, entry) in value?.Entries(expected) ?? [])
            if (entry.Text() is { } text) variables.Add(name, text);
        return variables;
    }

    /// <summary>Reads an object of texts, or a list of <c>NAME=value</c>; empty when there is none.</summary>
    public static IReadOnlyDictionary<string, string> ReadEnvironment(JsonValue? value)
    {
        if (value is not { IsList: true } list) return ReadObject(value, $"{Expected}, or a list of NAME=value");
        var variables = new Dictionary<string, string>();
        list.List(item => Add(item, variables), "a list of NAME=value");
        return variables;
    }

    private static string? Add(JsonValue item, Dictionary<string, string> variables)
    {
        if (item.Text("a text such as NAME=value") is not { } text) return null;
        var split = text.IndexOf('=', StringComparison.Ordinal);
        if (split < 0) item.Invalid($"is '{Quoted.Clip(text)}'; give NAME=value.");
        else if (!variables.TryAdd(text[..split], text[(split + 1)..])) item.Invalid($"gives '{Quoted.Clip(text[..split])}' a second time; give it once.");
        return text;
    }
}
