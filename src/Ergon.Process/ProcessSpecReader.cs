using System.Text.Json;

namespace Ergon.Process;

/// <summary>Reads a <see cref="ProcessSpec"/> from the parameters of a request and tells everything that is wrong with them.</summary>
internal sealed class ProcessSpecReader(SpecConfig config, RequestProblems problems)
{
    private static readonly string[] Names =
        ["entrypoint", "cmd", "environment", "working_directory", "user", "hostname", "stop_signal"];

    private bool _hasMalformedList;

    public ProcessSpec Read()
    {
        foreach (var name in config.Params.Keys.Where(name => !Names.Contains(name)))
            problems.Invalid(Field(name), $"is not a parameter of the process executor; {NearestName.Explain(name, Names)}");
        var spec = new ProcessSpec
        {
            Entrypoint = Texts("entrypoint"),
            Command = Texts("cmd"),
            Environment = Environment(),
            WorkingDirectory = Text("working_directory"),
            User = Text("user"),
            HostName = Text("hostname"),
            StopSignal = StopSignal(),
        };
        if (spec.Arguments.Count == 0 && !_hasMalformedList) problems.Invalid(Field("cmd"), "is missing; give the command as entrypoint, cmd, or both.");
        else if (spec.Arguments is ["", ..]) problems.Invalid(Field(spec.Entrypoint.Count > 0 ? "entrypoint" : "cmd"), "begins with an empty program name.");
        if (spec.WorkingDirectory is { } directory && !directory.StartsWith('/')) problems.Invalid(Field("working_directory"), $"is '{directory}'; give an absolute path.");
        if (spec.HostName is { } host && !IsHostName(host)) problems.Invalid(Field("hostname"), $"is '{host}'; give 1 to 63 letters, digits, '-' or '.'.");
        return spec;
    }

    private static string Field(string name) => $"engine_spec.params.{name}";

    private static bool IsHostName(string text) => text.Length is > 0 and <= 63 && text.All(c => char.IsAsciiLetterOrDigit(c) || c is '-' or '.');

    private bool TryGet(string name, out JsonElement value) =>
        config.Params.TryGetValue(name, out value) && value.ValueKind is not (JsonValueKind.Null or JsonValueKind.Undefined);

    private string? Text(string name)
    {
        if (!TryGet(name, out var value)) return null;
        if (value.ValueKind == JsonValueKind.String && IsClean(value.GetString()!)) return value.GetString();
        problems.Invalid(Field(name), $"is {Kind(value)}; give a text without NUL.");
        return null;
    }

    private IReadOnlyList<string> Texts(string name)
    {
        if (!TryGet(name, out var value)) return [];
        if (value.ValueKind == JsonValueKind.Array && value.EnumerateArray().All(item => item.ValueKind == JsonValueKind.String))
        {
            string[] texts = [.. value.EnumerateArray().Select(item => item.GetString()!)];
            if (texts.All(IsClean)) return texts;
            problems.Invalid(Field(name), "contains NUL, which no argument can hold.");
            return texts;
        }

        problems.Invalid(Field(name), $"is {Kind(value)}; give a list of texts, such as [\"echo\", \"hello\"].");
        _hasMalformedList = true;
        return [];
    }

    private Dictionary<string, string> Environment()
    {
        var variables = new Dictionary<string, string>();
        if (!TryGet("environment", out var value)) return variables;
        if (value.ValueKind == JsonValueKind.Object)
        {
            foreach (var property in value.EnumerateObject())
                AddVariable(variables, property.Name, property.Value.ValueKind == JsonValueKind.String ? property.Value.GetString() : null);
        }
        else if (value.ValueKind == JsonValueKind.Array)
        {
            foreach (var item in value.EnumerateArray())
            {
                var parts = item.ValueKind == JsonValueKind.String ? item.GetString()!.Split('=', 2) : [];
                AddVariable(variables, parts.ElementAtOrDefault(0) ?? "", parts.ElementAtOrDefault(1));
            }
        }
        else
        {
            problems.Invalid(Field("environment"), $"is {Kind(value)}; give a list of NAME=value, or an object.");
        }

        return variables;
    }

    private void AddVariable(Dictionary<string, string> variables, string name, string? value)
    {
        if (name.Length == 0 || name.Contains('=') || value is null || !IsClean(name) || !IsClean(value))
            problems.Invalid(Field("environment"), $"has the entry '{name.Replace("\0", "\\0")}', which is not of the form NAME=value without NUL.");
        else
            variables[name] = value;
    }

    private Signal StopSignal()
    {
        if (Text("stop_signal") is not { } text) return Signal.Terminate;
        if (Signal.TryParse(text, out var signal)) return signal;
        problems.Invalid(Field("stop_signal"), $"is '{text}'; give a name such as SIGTERM or a number from 1 to 64.");
        return Signal.Terminate;
    }

    private static bool IsClean(string text) => !text.Contains('\0');

    private static string Kind(JsonElement value) => value.ValueKind switch
    {
        JsonValueKind.Array => "a list",
        JsonValueKind.Object => "an object",
        JsonValueKind.String => "a text",
        JsonValueKind.Number => "a number",
        _ => "true or false",
    };
}
