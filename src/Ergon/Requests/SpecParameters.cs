using System.Text.Json;

namespace Ergon;

/// <summary>
/// Reads the parameters of an engine spec for a driver: adds a problem for each that has the wrong type, and for each that nobody
/// knows, since a limit that is misspelt must not be ignored.
/// </summary>
public sealed class SpecParameters
{
    private readonly IReadOnlyDictionary<string, JsonElement> _parameters;
    private readonly RequestProblems _problems;

    /// <summary>Begins to read a spec.</summary>
    /// <param name="spec">The spec.</param>
    /// <param name="known">The names of all parameters that the driver has.</param>
    /// <param name="problems">Takes what is wrong.</param>
    public SpecParameters(SpecConfig spec, IReadOnlyCollection<string> known, RequestProblems problems)
    {
        _parameters = spec.Params;
        _problems = problems;
        foreach (var name in spec.Params.Keys)
            if (!known.Contains(name)) problems.Invalid(Field(name), $"is not known to '{spec.Type}'; {NearestName.Explain(name, known)}");
    }

    /// <summary>The path of a parameter in the request.</summary>
    public static string Field(string name) => $"engine_spec.params.{name}";

    /// <summary>Reads a text; <see langword="null"/> when it is not given.</summary>
    public string? Text(string name)
    {
        if (Given(name) is not { } value) return null;
        if (value.ValueKind == JsonValueKind.String && Decode(value) is { } text && !text.Contains('\0')) return text;
        _problems.Invalid(Field(name), "is not a text without NUL.");
        return null;
    }

    /// <summary>Reads an absolute path; <see langword="null"/> when it is not given.</summary>
    public string? AbsolutePath(string name)
    {
        var path = Text(name);
        if (path is not null && !path.StartsWith('/')) _problems.Invalid(Field(name), $"is '{path}'; give an absolute path.");
        return path;
    }

    /// <summary>Reads a host name; <see langword="null"/> when it is not given.</summary>
    public string? Hostname(string name)
    {
        var host = Text(name);
        if (host is not null && !(host.Length is > 0 and <= ExecutionId.MaxHostname && host.All(c => char.IsAsciiLetterOrDigit(c) || c is '-' or '.')))
            _problems.Invalid(Field(name), $"is '{host}'; give 1 to {ExecutionId.MaxHostname} letters, digits, '-' or '.'.");
        return host;
    }

    /// <summary>Reads true or false; <see langword="null"/> when it is not given.</summary>
    public bool? Flag(string name)
    {
        if (Given(name) is not { } value) return null;
        if (value.ValueKind is JsonValueKind.True or JsonValueKind.False) return value.GetBoolean();
        _problems.Invalid(Field(name), "is neither true nor false.");
        return null;
    }

    /// <summary>Reads a list of texts; <see langword="null"/> when it is not given.</summary>
    public IReadOnlyList<string>? TextList(string name)
    {
        if (Given(name) is not { } value) return null;
        if (value.ValueKind == JsonValueKind.Array)
        {
            var texts = value.EnumerateArray().Select(e => e.ValueKind == JsonValueKind.String ? Decode(e) : null).ToList();
            if (texts.TrueForAll(t => t is not null && !t.Contains('\0'))) return texts!;
        }

        _problems.Invalid(Field(name), "is not a list of texts without NUL, such as [\"echo\", \"hello\"].");
        return null;
    }

    /// <summary>Reads a signal; <see langword="null"/> when it is not given.</summary>
    public Signal? SignalOf(string name)
    {
        if (Text(name) is not { } text) return null;
        if (Signal.TryParse(text, out var signal)) return signal;
        _problems.Invalid(Field(name), $"is '{text}', which is not a signal; give a name such as SIGTERM.");
        return null;
    }

    /// <summary>Reads variables, given as an object or as a list of <c>NAME=value</c>; empty when they are not given.</summary>
    public IReadOnlyDictionary<string, string> Variables(string name)
    {
        var variables = new Dictionary<string, string>(StringComparer.Ordinal);
        if (Given(name) is not { } value) return variables;
        if (value.ValueKind == JsonValueKind.Object)
        {
            foreach (var property in value.EnumerateObject())
                Add(property.Name, property.Value.ValueKind == JsonValueKind.String ? Decode(property.Value) : null);
        }
        else if (TextList(name) is { } list)
        {
            foreach (var text in list)
            {
                var split = text.IndexOf('=', StringComparison.Ordinal);
                Add(split < 0 ? text : text[..split], split < 0 ? null : text[(split + 1)..]);
            }
        }

        return variables;

        void Add(string key, string? text)
        {
            if (key.Length == 0 || key.Contains('=') || key.Contains('\0') || text is null || text.Contains('\0'))
                _problems.Invalid(Field(name), $"'{key}' is not a variable with a text value.");
            else variables[key] = text;
        }
    }

    private JsonElement? Given(string name) =>
        _parameters.TryGetValue(name, out var value) && value.ValueKind is not (JsonValueKind.Null or JsonValueKind.Undefined) ? value : null;

    // A lone surrogate cannot be decoded: it is no text.
    private static string? Decode(JsonElement value)
    {
        try
        {
            return value.GetString();
        }
        catch (InvalidOperationException)
        {
            return null;
        }
    }
}
