using System.Globalization;
using System.Text;

namespace Ergon;

/// <summary>
/// Durations as people and Go write them: <c>30s</c>, <c>1m30s</c>, <c>500ms</c>, <c>1.5h</c>, <c>2d</c>. What is finer than 100 ns is
/// rounded up, so that no duration becomes zero.
/// </summary>
public static class Duration
{
    internal const string Expected = "a number with a unit (ns, us, ms, s, m, h, d), such as 30s, 1m30s, 500ms or 1.5h";
    internal const string Rule = $"give {Expected}";

    private static readonly (string Name, long Nanoseconds)[] Units =
    [
        ("ns", 1), ("us", 1_000), ("µs", 1_000), ("μs", 1_000), ("ms", 1_000_000), ("s", 1_000_000_000), ("m", 60_000_000_000),
        ("h", 3_600_000_000_000), ("d", 86_400_000_000_000),
    ];

    /// <summary>Parses a duration.</summary>
    /// <exception cref="FormatException">The text is not a duration, is negative, or is longer than <see cref="TimeSpan.MaxValue"/>.</exception>
    public static TimeSpan Parse(ReadOnlySpan<char> text) =>
        TryParse(text, out var duration) ? duration : throw new FormatException($"'{text}' is not a duration: {Rule}.");

    /// <summary>
    /// Parses a duration; <see langword="false"/> when the text is none, is negative, or is longer than <see cref="TimeSpan.MaxValue"/>.
    /// A number without a unit is a duration only when it is 0.
    /// </summary>
    public static bool TryParse(ReadOnlySpan<char> text, out TimeSpan duration)
    {
        duration = TimeSpan.Zero;
        if (text is "0") return true;
        var ticks = 0m;
        do
        {
            if (!DecimalPrefix.TryRead(ref text, out var number)) return false;
            var end = text.IndexOfAnyInRange('0', '9');
            var unit = end < 0 ? text : text[..end];
            text = text[unit.Length..];
            if (!TryGetNanoseconds(unit, out var nanoseconds) || number > (decimal)long.MaxValue * 100 / nanoseconds) return false;
            ticks += number * nanoseconds / 100;
        }
        while (!text.IsEmpty);

        return TryCreate(ticks, out duration);
    }

    /// <summary>Formats a duration exactly, largest unit first: <c>1m30s</c>, <c>1d2h</c>, <c>0.5ms</c>. It parses to the same duration.</summary>
    public static string Format(TimeSpan duration)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(duration, TimeSpan.Zero);
        if (duration == TimeSpan.Zero) return "0s";
        var text = new StringBuilder();
        if (duration.Days > 0) text.Append(duration.Days).Append('d');
        if (duration.Hours > 0) text.Append(duration.Hours).Append('h');
        if (duration.Minutes > 0) text.Append(duration.Minutes).Append('m');
        var rest = duration.Ticks % TimeSpan.TicksPerMinute;
        if (rest == 0) return text.ToString();
        var (unit, ticksPerUnit) = rest < TimeSpan.TicksPerSecond ? ("ms", TimeSpan.TicksPerMillisecond) : ("s", TimeSpan.TicksPerSecond);
        return text.Append(((decimal)rest / ticksPerUnit).ToString("0.#######", CultureInfo.InvariantCulture)).Append(unit).ToString();
    }

    /// <summary>Go's <c>time.Duration</c>; <see langword="false"/> when it is negative.</summary>
    internal static bool TryFromNanoseconds(decimal nanoseconds, out TimeSpan duration) => TryCreate(nanoseconds / 100, out duration);

    private static bool TryCreate(decimal ticks, out TimeSpan duration)
    {
        duration = TimeSpan.Zero;
        if (ticks < 0 || ticks > TimeSpan.MaxValue.Ticks) return false;
        duration = new TimeSpan((long)decimal.Ceiling(ticks));
        return true;
    }

    private static bool TryGetNanoseconds(ReadOnlySpan<char> unit, out long nanoseconds)
    {
        foreach (var (name, value) in Units)
        {
            nanoseconds = value;
            if (unit.SequenceEqual(name)) return true;
        }

        nanoseconds = 0;
        return false;
    }
}
