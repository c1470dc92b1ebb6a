using System.Text;

namespace Ergon.Json;

/// <summary>
/// Reads provision scripts: a list, which is in order; or what a Go encoder makes of a map, which has no order, so that the names give it.
/// </summary>
internal static class ScriptReader
{
    private const string Expected = "a list of scripts, each with a name and its content, or an object of names, each with bytes in base64";

    public static IReadOnlyList<ProvisionScript> Read(JsonValue? value)
    {
        if (value is not { } scripts) return [];
        return scripts.IsList ? scripts.List(ReadScript, Expected) : ReadMap(scripts);
    }

    private static IReadOnlyList<ProvisionScript> ReadMap(JsonValue value)
    {
        var scripts = new List<ProvisionScript>();
        foreach (var (name, entry) in value.Entries(Expected).OrderBy(e => e.Key, StringComparer.Ordinal))
            if (entry.Base64() is { } content) scripts.Add(new ProvisionScript { Name = name, Content = content });
        return scripts;
    }

    private static ProvisionScript? ReadScript(JsonValue value)
    {
        if (value.Fields(RequestFields.Script) is not { } fields) return null;
        var name = fields.Required("name", "a file name of its own")?.Text();
        if (fields["content"] is not null && fields["script"] is { } second) second.Invalid("is given beside content; give one of them.");
        var content = fields["script"] is { } text
            ? Encoding.UTF8.GetBytes(text.Text("the script as a text") ?? "")
            : fields.Required("content", "the script's bytes in base64, or give script, the same as a text")?.Base64();
        return new ProvisionScript { Name = name ?? "", Content = content ?? [] };
    }
}
