using System.Buffers.Text;
using System.Text.Json;
using System.Text.Unicode;

namespace Ergon.Json;

/// <summary>
/// Takes bytes from outside for JSON, or says why they are none. Every text of a document that is let through can be decoded, so that
/// nobody after this has to expect half of a character.
/// </summary>
internal static class JsonText
{
    /// <summary>The field that problems of the whole text are reported for.</summary>
    public const string Whole = "request";

    private const int MaxReasonLength = 200;

    /// <summary>Parses the text; <see langword="null"/>, with the problem added, when it is not JSON.</summary>
    public static JsonDocument? Parse(ReadOnlyMemory<byte> utf8Json, JsonProblems problems)
    {
        var text = utf8Json.Span;
        if (text.StartsWith("\uFEFF"u8)) problems.Invalid(Whole, "begins with a byte order mark; save it as UTF-8 without one.");
        else if (!Utf8.IsValid(text)) problems.Invalid(Whole, "is not UTF-8.");
        else if (text.IndexOfAnyExcept(" \t\r\n"u8) < 0) problems.Invalid(Whole, "is empty; give a JSON object.");
        else return ParseUtf8(utf8Json, problems);
        return null;
    }

    private static JsonDocument? ParseUtf8(ReadOnlyMemory<byte> utf8Json, JsonProblems problems)
    {
        try
        {
            var document = JsonDocument.Parse(utf8Json);
            if (FindLoneSurrogate(utf8Json.Span) is not { } at) return document;
            document.Dispose();
            problems.Invalid(Whole, $"has half of a surrogate pair at byte {at}, which is no character.");
        }
        catch (JsonException e)
        {
            problems.Invalid(Whole, $"is not JSON: {Reason(e)} (line {e.LineNumber + 1}, byte {e.BytePositionInLine + 1})");
        }

        return null;
    }

    // The position that the message ends with counts from 0, which nobody's editor does.
    private static string Reason(JsonException e)
    {
        var end = e.Message.IndexOf(" LineNumber: ", StringComparison.Ordinal);
        return Quoted.Clip(end < 0 ? e.Message : e.Message[..end], MaxReasonLength);
    }

    /// <summary>Whether a text of valid JSON contains NUL, which JSON has only as an escape.</summary>
    public static bool HasNul(ReadOnlySpan<byte> json)
    {
        while (json.IndexOf((byte)'\\') is >= 0 and var at)
        {
            json = json[at..];
            if (json.StartsWith("\\u0000"u8)) return true;
            json = json[2..];
        }

        return false;
    }

    /// <summary>The position of half of a surrogate pair in valid JSON, where every backslash begins an escape. UTF-8 itself cannot hold a surrogate.</summary>
    public static int? FindLoneSurrogate(ReadOnlySpan<byte> json)
    {
        var at = 0;
        while (json[at..].IndexOf((byte)'\\') is >= 0 and var skip)
        {
            at += skip;
            var unit = ReadEscape(json[at..]);
            if (char.IsLowSurrogate(unit) || (char.IsHighSurrogate(unit) && !char.IsLowSurrogate(ReadEscape(json[(at + 6)..])))) return at;
            at += char.IsHighSurrogate(unit) ? 12 : 2;
        }

        return null;
    }

    // The UTF-16 unit of a \uXXXX at the beginning; NUL, which is no surrogate, when there is another escape or none.
    private static char ReadEscape(ReadOnlySpan<byte> json) =>
        json.StartsWith("\\u"u8) && Utf8Parser.TryParse(json.Slice(2, 4), out ushort unit, out _, 'x') ? (char)unit : '\0';
}
