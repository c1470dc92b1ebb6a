using System.Text;

namespace Ergon.Json;

/// <summary>Text from outside inside a message: short, and without anything that a terminal would obey.</summary>
internal static class Quoted
{
    private const int MaxLength = 80;

    public static string Clip(string text, int maxLength = MaxLength)
    {
        var clipped = new StringBuilder(Math.Min(text.Length, maxLength) + 1);
        foreach (var c in text.AsSpan(0, Math.Min(text.Length, maxLength))) clipped.Append(char.IsControl(c) || char.IsSurrogate(c) ? '\uFFFD' : c);
        if (text.Length > maxLength) clipped.Append('…');
        return clipped.ToString();
    }
}
