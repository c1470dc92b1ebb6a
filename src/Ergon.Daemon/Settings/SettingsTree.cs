using System.Text.Json;
using System.Text.Json.Nodes;
using System.Text.Json.Serialization.Metadata;
using Ergon.Json;
using JsonValue = System.Text.Json.Nodes.JsonValue;

namespace Ergon.Daemon.Settings;

/// <summary>Puts settings together from several places, and looks at each of them by itself, so that everything that is wrong is told at once.</summary>
internal sealed class SettingsTree(RequestProblems problems)
{
    private static readonly JsonDocumentOptions Reading = new() { CommentHandling = JsonCommentHandling.Skip, AllowTrailingCommas = true, AllowDuplicateProperties = false };

    private JsonObject _root = [];

    /// <summary>Takes what a file says.</summary>
    public void AddFile(string path)
    {
        try
        {
            _root = JsonNode.Parse(File.ReadAllBytes(path), documentOptions: Reading) as JsonObject ?? throw new JsonException("it is not an object");
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or JsonException)
        {
            problems.Invalid(path, $"cannot be read: {e.Message}");
        }
    }

    /// <summary>Sets one setting, given as text.</summary>
    /// <param name="origin">Who says so, for the message when there is no such setting.</param>
    /// <param name="path">Its name, such as <c>admission.max_queued</c>.</param>
    /// <param name="value">The text: JSON, or what JSON would have in quotes; lists of texts are parted by commas.</param>
    public void Set(string origin, string path, string value)
    {
        var (type, node) = ((JsonTypeInfo)DaemonFileContext.Default.DaemonFile, _root);
        for (var rest = path; ;)
        {
            // The names in a dictionary are the operator's own, and may have dots.
            var isDictionary = type.Kind == JsonTypeInfoKind.Dictionary;
            var split = isDictionary ? -1 : rest.IndexOf('.', StringComparison.Ordinal);
            var name = split < 0 ? rest : rest[..split];
            var next = isDictionary ? type.ElementType : Find(type, name)?.PropertyType;
            if (next is null)
            {
                problems.Invalid(origin, $"there is no setting '{Quoted.Clip(path)}'; {NearestName.Explain(name, NamesOf(type))}");
                return;
            }

            type = TypeOf(next);
            if (split < 0)
            {
                node[name] = ToNode(type.Type, value);
                return;
            }

            if (node[name] is not JsonObject) node[name] = new JsonObject();
            (node, rest) = (node[name]!.AsObject(), rest[(split + 1)..]);
        }
    }

    /// <summary>The settings as they are said; those that are wrong are added to the problems and left out.</summary>
    public DaemonFile Read()
    {
        foreach (var (name, value) in _root.ToList())
        {
            var before = problems.Count;
            CheckMember(name, value, DaemonFileContext.Default.DaemonFile, "");
            if (problems.Count > before) _root.Remove(name);
        }

        return _root.Deserialize(DaemonFileContext.Default.DaemonFile)!;
    }

    private void Check(JsonNode node, JsonTypeInfo type, string path)
    {
        switch (type.Kind)
        {
            case JsonTypeInfoKind.Object when node is JsonObject members:
                CheckMembers(members, type, path);
                break;
            case JsonTypeInfoKind.Dictionary when node is JsonObject entries:
                foreach (var (name, value) in entries) CheckGiven(value, type.ElementType!, PathOf(path, name));
                break;
            case JsonTypeInfoKind.Enumerable when node is JsonArray items:
                foreach (var (i, item) in items.Index()) CheckGiven(item, type.ElementType!, $"{path}[{i}]");
                break;
            default:
                if (!Fits(node, type)) problems.Invalid(path, $"is {Quoted.Clip(node.ToJsonString())}; give {Expected(type)}.");
                break;
        }
    }

    private void CheckMembers(JsonObject members, JsonTypeInfo type, string path)
    {
        foreach (var (name, value) in members) CheckMember(name, value, type, path);
        foreach (var property in type.Properties)
            if (property.IsRequired && members[property.Name] is null) problems.Invalid(PathOf(path, property.Name), $"is missing; give {Expected(TypeOf(property.PropertyType))}.");
    }

    private void CheckMember(string name, JsonNode? value, JsonTypeInfo type, string path)
    {
        if (Find(type, name) is not { } property) problems.Invalid(PathOf(path, Quoted.Clip(name)), $"is not a setting; {NearestName.Explain(name, NamesOf(type))}");
        else if (value is not null) Check(value, TypeOf(property.PropertyType), PathOf(path, name));
    }

    private void CheckGiven(JsonNode? node, Type type, string path)
    {
        if (node is null) problems.Invalid(path, $"is null; give {Expected(TypeOf(type))}.");
        else Check(node, TypeOf(type), path);
    }

    private static bool Fits(JsonNode node, JsonTypeInfo type)
    {
        if (type.Kind != JsonTypeInfoKind.None) return false;
        try
        {
            node.Deserialize(type);
            return true;
        }
        catch (Exception e) when (e is JsonException or InvalidOperationException)
        {
            return false;
        }
    }

    private static JsonNode? ToNode(Type type, string text)
    {
        var plain = Nullable.GetUnderlyingType(type) ?? type;
        if (plain.IsEnum || plain == typeof(string) || plain == typeof(Uri) || plain == typeof(TimeSpan)) return JsonValue.Create(text);
        if (TypeOf(plain) is { Kind: JsonTypeInfoKind.Enumerable, ElementType: { } element } && (element.IsEnum || element == typeof(string)) && !text.StartsWith('['))
            return new JsonArray([.. text.Split(',', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries).Select(t => (JsonNode?)t)]);
        try
        {
            return JsonNode.Parse(text, documentOptions: Reading);
        }
        catch (JsonException)
        {
            // A size, or what is told to be wrong when it is looked at.
            return JsonValue.Create(text);
        }
    }

    private static string Expected(JsonTypeInfo type)
    {
        var plain = Nullable.GetUnderlyingType(type.Type) ?? type.Type;
        return type.Kind switch
        {
            JsonTypeInfoKind.Object => $"an object with {string.Join(", ", NamesOf(type))}",
            JsonTypeInfoKind.Dictionary => "an object with names of your own",
            JsonTypeInfoKind.Enumerable => "a list",
            _ when plain.IsEnum => $"one of {string.Join(", ", Enum.GetNames(plain).Select(JsonNamingPolicy.SnakeCaseLower.ConvertName))}",
            _ when plain == typeof(bool) => "true or false",
            _ when plain == typeof(long) => "a number of bytes, or text such as \"8g\"",
            _ when plain == typeof(int) => "a whole number",
            _ when plain == typeof(double) => "a number",
            _ when plain == typeof(TimeSpan) => "a duration such as \"30s\" or \"24h\"",
            _ when plain == typeof(Uri) => "an address in quotes",
            _ => "a text in quotes",
        };
    }

    private static JsonTypeInfo TypeOf(Type type) =>
        DaemonFileContext.Default.GetTypeInfo(type) ?? throw new InvalidOperationException($"{type} is not among the settings.");

    private static JsonPropertyInfo? Find(JsonTypeInfo type, string name) =>
        type.Kind == JsonTypeInfoKind.Object ? type.Properties.FirstOrDefault(p => p.Name == name) : null;

    private static IReadOnlyCollection<string> NamesOf(JsonTypeInfo type) => [.. type.Properties.Select(p => p.Name)];

    private static string PathOf(string path, string name) => path.Length == 0 ? name : $"{path}.{name}";
}
