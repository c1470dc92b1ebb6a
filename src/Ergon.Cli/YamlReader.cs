using System.Globalization;
using System.Text;
using System.Text.Json.Nodes;
using YamlDotNet.Core;
using YamlDotNet.Core.Events;

namespace Ergon.Cli;

/// <summary>Turns one YAML document into JSON, event by event, so that a small file cannot become deep or huge.</summary>
internal sealed class YamlReader
{
    // Alias upon alias can make a small file a huge document.
    private const int MaxNodes = 100_000;

    // What JSON is read with.
    private const int MaxDepth = 64;

    private readonly Parser _parser;
    private readonly Dictionary<string, (JsonNode? Node, int Size)> _anchors = new(StringComparer.Ordinal);
    private int _nodes;

    private YamlReader(string yaml) => _parser = new Parser(new StringReader(yaml));

    /// <exception cref="YamlException">It is not YAML.</exception>
    /// <exception cref="FormatException">It is YAML that has no JSON.</exception>
    public static byte[] ToJson(byte[] yaml)
    {
        string text;
        try
        {
            text = new UTF8Encoding(false, throwOnInvalidBytes: true).GetString(yaml);
        }
        catch (DecoderFallbackException e)
        {
            throw new FormatException("it is not UTF-8 text", e);
        }

        return Encoding.UTF8.GetBytes(new YamlReader(text).ReadDocument()?.ToJsonString() ?? "null");
    }

    private JsonNode? ReadDocument()
    {
        _parser.Consume<StreamStart>();
        if (_parser.Accept<StreamEnd>(out _)) throw new FormatException("it is empty");
        _parser.Consume<DocumentStart>();
        var root = ReadNode(1);
        _parser.Consume<DocumentEnd>();
        return _parser.Accept<StreamEnd>(out _) ? root : throw new FormatException("it has more than one document");
    }

    private JsonNode? ReadNode(int depth)
    {
        var begin = _parser.Consume<ParsingEvent>();
        if (depth > MaxDepth) throw At(begin, $"it is nested more than {MaxDepth} deep");
        if (begin is AnchorAlias alias) return Repeat(alias);
        Count(1, begin);
        var before = _nodes;
        JsonNode? node = begin switch
        {
            Scalar scalar => FromScalar(scalar),
            SequenceStart => ReadSequence(depth),
            MappingStart => ReadMapping(depth),
            _ => throw At(begin, "a value is missing"),
        };

        // Named only now: what contains itself is unknown inside, and refused.
        if (((NodeEvent)begin).Anchor is { IsEmpty: false } anchor) _anchors[anchor.Value] = (node, _nodes - before + 1);
        return node;
    }

    private JsonArray ReadSequence(int depth)
    {
        var array = new JsonArray();
        while (!_parser.TryConsume<SequenceEnd>(out _)) array.Add(ReadNode(depth + 1));
        return array;
    }

    private JsonObject ReadMapping(int depth)
    {
        var members = new JsonObject();
        while (!_parser.TryConsume<MappingEnd>(out _))
        {
            var key = _parser.Consume<ParsingEvent>();
            if (key is not Scalar { Value: var name }) throw At(key, "the name of a field is not text");
            if (!members.TryAdd(name, ReadNode(depth + 1))) throw At(key, $"'{name}' is given more than once");
        }

        return members;
    }

    private JsonNode? Repeat(AnchorAlias alias)
    {
        if (!_anchors.TryGetValue(alias.Value.Value, out var known)) throw At(alias, $"nothing before it is named &{alias.Value.Value}");
        Count(known.Size, alias);
        return known.Node?.DeepClone();
    }

    private void Count(int nodes, ParsingEvent at)
    {
        _nodes += nodes;
        if (_nodes > MaxNodes) throw At(at, $"it has more than {MaxNodes} values");
    }

    private static FormatException At(ParsingEvent at, string problem) => new($"line {at.Start.Line}, column {at.Start.Column}: {problem}");

    // The core schema of YAML 1.2: only plain scalars have a type, and 'yes' or 'on' are texts.
    private static JsonValue? FromScalar(Scalar scalar)
    {
        var text = scalar.Value;
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
}
