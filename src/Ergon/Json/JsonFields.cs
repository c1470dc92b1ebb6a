using System.Text.Json;

namespace Ergon.Json;

/// <summary>
/// The fields of one object, each by the name that Ergon writes. Adds a problem for each that nobody knows, since a limit that is misspelt must
/// not be ignored, and for each that is given twice.
/// </summary>
internal sealed class JsonFields
{
    private readonly Dictionary<string, (string Written, JsonValue Value)> _fields = [];
    private readonly string _path;
    private readonly JsonProblems _problems;

    public JsonFields(JsonElement value, string path, FieldNames names, JsonProblems problems)
    {
        _path = path;
        _problems = problems;
        foreach (var property in value.EnumerateObject()) Add(property.Name, property.Value, names);
    }

    /// <summary>The value of a field; <see langword="null"/> when it is not given, or given as null.</summary>
    public JsonValue? this[string name] => _fields.TryGetValue(name, out var field) && field.Value.IsGiven ? field.Value : null;

    /// <summary>The path of a field in the request.</summary>
    public string PathOf(string name) => _path.Length == 0 ? name : $"{_path}.{name}";

    /// <summary>The value of a field; adds a problem when it is not given.</summary>
    public JsonValue? Required(string name, string rule)
    {
        if (this[name] is { } value) return value;
        _problems.Invalid(PathOf(name), $"is missing; give {rule}.");
        return null;
    }

    private void Add(string written, JsonElement element, FieldNames names)
    {
        var name = names.Find(written);
        if (name is null)
        {
            // Looking for a near name takes time, which is not spent on what is only counted.
            _problems.Invalid(PathOf(written.Length == 0 ? "''" : Quoted.Clip(written)), _problems.IsFull ? "" : $"is not known; {NearestName.Explain(written, names.Known)}");
            return;
        }

        if (IsGoZero(written, element)) return;
        var value = new JsonValue(element, PathOf(name), _problems);
        if (!_fields.TryAdd(name, (written, value)))
            _problems.Invalid(PathOf(name), $"is given twice, as '{_fields[name].Written}' and as '{written}'; give it once.");
    }

    // Go writes every field, and for those that nobody set it writes a zero. Its names begin with a capital; ours do not, and mean
    // what they say.
    private static bool IsGoZero(string written, JsonElement element) => char.IsAsciiLetterUpper(written[0]) && element.ValueKind switch
    {
        JsonValueKind.String => element.ValueEquals(""),
        JsonValueKind.Number => element.TryGetInt64(out var number) && number == 0,
        _ => false,
    };
}
