namespace Ergon;

/// <summary>Finds the name that somebody probably meant when they wrote one that does not exist.</summary>
public static class NearestName
{
    // Longer names are not typed by hand; comparing them would only cost time.
    private const int MaxLength = 64;

    /// <summary>
    /// The known name nearest to the one written, or <see langword="null"/> when none is near: equal but for case, <c>_</c> and <c>-</c>, or
    /// a few letters missing, added, wrong or swapped (one in three).
    /// </summary>
    public static string? Find(string written, IEnumerable<string> known)
    {
        var name = Normalize(written);
        if (name.Length is 0 or > MaxLength) return null;
        string? nearest = null;
        var best = Math.Max(1, name.Length / 3) + 1;
        foreach (var candidate in known)
        {
            var distance = Distance(name, Normalize(candidate));
            if (distance < best) (nearest, best) = (candidate, distance);
        }

        return nearest;
    }

    /// <summary>What to tell about an unknown name: <c>did you mean 'image'?</c>, or, when nothing is near, <c>known are cmd, image, user</c>.</summary>
    public static string Explain(string written, IReadOnlyCollection<string> known) =>
        Find(written, known) is { } nearest ? $"did you mean '{nearest}'?" : $"known are {string.Join(", ", known)}";

    /// <summary>The name in lower case without <c>_</c> and <c>-</c>, so that <c>JobID</c>, <c>jobId</c> and <c>job_id</c> are the same.</summary>
    internal static string Normalize(string name)
    {
        var isNormal = true;
        foreach (var c in name) isNormal &= c is not ('_' or '-') && !char.IsAsciiLetterUpper(c);
        return isNormal
            ? name
            : name.Replace("_", "", StringComparison.Ordinal).Replace("-", "", StringComparison.Ordinal).ToLowerInvariant();
    }

    // Optimal string alignment: insert, delete, replace, or swap two neighbours. Three rows of the table are enough.
    private static int Distance(string a, string b)
    {
        if (b.Length > MaxLength) return int.MaxValue;
        Span<int> beforeLast = stackalloc int[MaxLength + 1];
        Span<int> last = stackalloc int[MaxLength + 1];
        Span<int> row = stackalloc int[MaxLength + 1];
        for (var j = 0; j <= b.Length; j++) last[j] = j;
        for (var i = 1; i <= a.Length; i++)
        {
            row[0] = i;
            for (var j = 1; j <= b.Length; j++)
            {
                var cost = a[i - 1] == b[j - 1] ? 0 : 1;
                row[j] = Math.Min(Math.Min(last[j] + 1, row[j - 1] + 1), last[j - 1] + cost);
                if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1]) row[j] = Math.Min(row[j], beforeLast[j - 2] + 1);
            }

            var free = beforeLast;
            beforeLast = last;
            last = row;
            row = free;
        }

        return last[b.Length];
    }
}
