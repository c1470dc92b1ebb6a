using System.Globalization;

namespace Ergon.Daemon.Executors;

/// <summary>A place in the events of each executor of a daemon: <c>ID,docker:40,process:12</c>.</summary>
internal sealed class EventCursor(string daemonId)
{
    private readonly SortedDictionary<string, long> _places = new(StringComparer.Ordinal);

    /// <summary>Reads a cursor; <see langword="null"/> when it is none of this daemon.</summary>
    public static EventCursor? Parse(string text, string daemonId)
    {
        var cursor = new EventCursor(daemonId);
        var parts = text.Split(',');
        if (parts[0] != daemonId) return null;
        foreach (var part in parts[1..])
        {
            if (part.Split(':') is not [var name, var digits] || !long.TryParse(digits, NumberStyles.None, CultureInfo.InvariantCulture, out var place)) return null;
            cursor._places[name] = place;
        }

        return cursor;
    }

    public long? PlaceOf(string executor) => _places.TryGetValue(executor, out var place) ? place : null;

    public void Advance(string executor, long sequence) => _places[executor] = sequence;

    public override string ToString() =>
        string.Concat(daemonId, string.Concat(_places.Select(p => string.Create(CultureInfo.InvariantCulture, $",{p.Key}:{p.Value}"))));
}
