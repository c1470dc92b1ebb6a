using System.Globalization;
using System.Text;
using System.Text.Json.Nodes;
using YamlDotNet.Core;
using YamlDotNet.RepresentationModel;

namespace Ergon.Cli;

/// <summary>Reads a job file, JSON or YAML, as the JSON form of a request.</summary>
internal static class JobFile
{
    // Alias upon alias can make a small file a huge document.
    private const int MaxNodes = 100_000;

    /// <exception cref="ExecutorException"><see cref="ErrorCode.InvalidRequest"/> when it cannot be read.</exception>
    public static async Task<ReadOnlyMemory<byte>> ReadAsync(string file)
    {
        try
        {
            var bytes = file == "-" ? await ReadInputAsync() : await File.ReadAllBytesAsync(file);
            if (bytes.AsSpan().StartsWith(Encoding.UTF8.Preamble)) bytes = bytes[Encoding.UTF8.Preamble.Length..];

            // A JSON object begins with a brace; what begins otherwise can only be YAML.
            return bytes.AsSpan().TrimStart(" \t\r\n"u8) is [(byte)'{', ..] ? bytes : FromYaml(bytes);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new ExecutorException(ErrorCode.InvalidRequest, $"The job file {file} cannot be read: {e.Message}", innerException: e);
        }
        catch (Exception e) when (e is YamlException or FormatException or ArgumentException)
        {
            throw new ExecutorException(ErrorCode.InvalidRequest, $"The job file {file} is neither JSON nor YAML: {e.Message}", innerException: e);
        }
    }

    internal static byte[] FromYaml(byte[] yaml)
    {
        var stream = new YamlStream();
        stream.Load(new StringReader(new UTF8Encoding(false, throwOnInvalidBytes: true).GetString(yaml)));
        if (stream.Documents is not [var document]) throw new FormatException($"it has {stream.Documents.Count} documents; one is expected");
        var nodes = 0;
        return Encoding.UTF8.GetBytes(ToJson(document.RootNode, ref nodes)?.ToJsonString() ?? "null");
    }

    private static JsonNode? ToJson(YamlNode node, ref int nodes)
    {
        if (++nodes > MaxNodes) throw new FormatException($"it has more than {MaxNodes} values");
        switch (node)
        {
            case YamlMappingNode mapping:
                var result = new JsonObject();
                foreach (var (key, value) in mapping.Children) result.Add(((YamlScalarNode)key).Value ?? "", ToJson(value, ref nodes));
                return result;
            case YamlSequenceNode sequence:
                var array = new JsonArray();
                foreach (var item in sequence.Children) array.Add(ToJson(item, ref nodes));
                return array;
            case YamlScalarNode scalar:
                return ToJson(scalar);
            default:
                throw new FormatException($"a {node.NodeType} cannot be read");
        }
    }

    // The core schema of YAML 1.2: only plain scalars have a type, and 'yes' or 'on' are texts.
    private static JsonNode? ToJson(YamlScalarNode scalar)
    {
        var text = scalar.Value ?? "";
        if (scalar.Style != ScalarStyle.Plain) return JsonValue.Create(text);
        return text switch
        {
            "" or "~" or "null" or "Null" or "NULL" => null,
            "true" or "True" or "TRUE" => JsonValue.Create(true),
            "false" or "False" or "FALSE" => JsonValue.Create(false),
            _ when long.TryParse(text, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out var integer) => JsonValue.Create(integer),
            _ when IsNumber(text) => JsonValue.Create(double.Parse(text, NumberStyles.Float, CultureInfo.InvariantCulture)),
            _ => JsonValue.Create(text),
        };
    }

    private static bool IsNumber(string text) =>
        text.Any(char.IsAsciiDigit)
        && text.All(c => char.IsAsciiDigit(c) || c is '+' or '-' or '.' or 'e' or 'E')
        && double.TryParse(text, NumberStyles.Float, CultureInfo.InvariantCulture, out var number)
        && double.IsFinite(number);

    private static async Task<byte[]> ReadInputAsync()
    {
        await using var input = Console.OpenStandardInput();
        using var content = new MemoryStream();
        await input.CopyToAsync(content);
        return content.ToArray();
    }
}
