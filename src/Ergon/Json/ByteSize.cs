using System.Globalization;

namespace Ergon;

/// <summary>
/// Sizes as people write them: <c>256m</c>, <c>1.5g</c>, <c>512KiB</c>, <c>1024</c>. Units are powers of 1024 and ignore case, as
/// Docker's do; a fraction of a byte is dropped.
/// </summary>
public static class ByteSize
{
    internal const string Expected = "bytes, or a number with a unit of 1024s, such as 512k, 256m or 1.5g";
    internal const string Rule = $"give {Expected}";

    private const string Units = "bkmgtp";

    /// <summary>Parses a size.</summary>
    /// <exception cref="FormatException">The text is not a size, or is more than <see cref="long.MaxValue"/> bytes.</exception>
    public static long Parse(ReadOnlySpan<char> text) =>
        TryParse(text, out var bytes) ? bytes : throw new FormatException($"'{text}' is not a size: {Rule}.");

    /// <summary>Parses a size; <see langword="false"/> when the text is none, or is more than <see cref="long.MaxValue"/> bytes.</summary>
    public static bool TryParse(ReadOnlySpan<char> text, out long bytes)
    {
        bytes = 0;
        if (!DecimalPrefix.TryRead(ref text, out var number)) return false;
        if (text is [' ', _, ..]) text = text[1..];
        if (!TryGetFactor(text, out var factor) || number > (decimal)long.MaxValue / factor) return false;
        var exact = decimal.Floor(number * factor);
        if (exact > long.MaxValue) return false;
        bytes = (long)exact;
        return true;
    }

    /// <summary>Formats a size with the largest unit that leaves a whole number: <c>256m</c>, <c>1000</c>. It parses to the same size.</summary>
    public static string Format(long bytes)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(bytes);
        var unit = 0;
        while (bytes != 0 && bytes % 1024 == 0 && unit < Units.Length - 1) (bytes, unit) = (bytes / 1024, unit + 1);
        var number = bytes.ToString(CultureInfo.InvariantCulture);
        return unit == 0 ? number : number + Units[unit];
    }

    private static bool TryGetFactor(ReadOnlySpan<char> unit, out long factor)
    {
        factor = 1;
        if (unit.IsEmpty) return true;
        var exponent = Units.IndexOf(char.ToLowerInvariant(unit[0]), StringComparison.Ordinal);
        if (exponent < 0) return false;
        factor = 1L << (10 * exponent);
        var rest = unit[1..];
        return rest.IsEmpty
            || (exponent > 0 && (rest.Equals("b", StringComparison.OrdinalIgnoreCase) || rest.Equals("ib", StringComparison.OrdinalIgnoreCase)));
    }
}

/// <summary>Takes a decimal number without sign or exponent off the beginning of a text.</summary>
internal static class DecimalPrefix
{
    // decimal holds every number of 28 digits exactly.
    private const int MaxDigits = 28;

    public static bool TryRead(ref ReadOnlySpan<char> text, out decimal number)
    {
        var length = CountDigits(text);
        var digits = length;
        if (length > 0 && length + 1 < text.Length && text[length] == '.')
        {
            var fraction = CountDigits(text[(length + 1)..]);
            digits += fraction;
            length += fraction > 0 ? fraction + 1 : 0;
        }

        number = 0;
        if (length == 0 || digits > MaxDigits) return false;
        number = decimal.Parse(text[..length], NumberStyles.AllowDecimalPoint, CultureInfo.InvariantCulture);
        text = text[length..];
        return true;
    }

    private static int CountDigits(ReadOnlySpan<char> text)
    {
        var end = text.IndexOfAnyExceptInRange('0', '9');
        return end < 0 ? text.Length : end;
    }
}
