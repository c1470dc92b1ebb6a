namespace Ergon.Linux;

/// <summary>Reads the texts of cgroup files. What is missing or malformed is <see langword="null"/>, since kernels differ.</summary>
internal static class CgroupText
{
    /// <summary>A file that holds one number; <c>max</c> is no number.</summary>
    public static long? Number(string? text) => long.TryParse(text.AsSpan().Trim(), out var number) ? number : null;

    /// <summary>The number after a key in a file of <c>key number</c> lines.</summary>
    public static long? Keyed(string? text, string key)
    {
        foreach (var line in (text ?? "").AsSpan().EnumerateLines())
        {
            if (line.Length > key.Length && line.StartsWith(key, StringComparison.Ordinal) && line[key.Length] == ' ')
                return long.TryParse(line[(key.Length + 1)..].Trim(), out var number) ? number : null;
        }

        return null;
    }

    /// <summary>
    /// What is in use of the memory, without the cache that can be dropped at once, as 'docker stats' counts. The kernel sums the cache up less
    /// often than the whole, so it may tell of more than there is at the moment: then the whole is.
    /// </summary>
    public static long? MemoryInUse(string? usage, string? stat, string inactiveFile) =>
        Number(usage) is not { } all ? null : Keyed(stat, inactiveFile) is { } cache && cache < all ? all - cache : all;

    /// <summary>The sum, over all devices, of a field of v2's <c>io.stat</c>: <c>8:0 rbytes=1 wbytes=2 ...</c>.</summary>
    public static long? SumOfIoStat(string? text, string field)
    {
        if (text is null) return null;
        long sum = 0;
        foreach (var word in text.Split((char[])[' ', '\n'], StringSplitOptions.RemoveEmptyEntries))
        {
            if (word.StartsWith(field, StringComparison.Ordinal) && word.Length > field.Length && word[field.Length] == '=' &&
                long.TryParse(word.AsSpan(field.Length + 1), out var number))
                sum = unchecked(sum + number);
        }

        return sum;
    }

    /// <summary>The sum, over all devices, of an operation in v1's <c>blkio.throttle.io_service_bytes</c>: <c>8:0 Read 1</c>.</summary>
    public static long? SumOfBlkio(string? text, string operation)
    {
        if (text is null) return null;
        long sum = 0;
        foreach (var line in text.Split('\n'))
        {
            var words = line.Split(' ', StringSplitOptions.RemoveEmptyEntries);
            if (words.Length == 3 && words[1] == operation && long.TryParse(words[2], out var number)) sum = unchecked(sum + number);
        }

        return sum;
    }

    /// <summary>The process ids of a <c>cgroup.procs</c> file.</summary>
    public static IReadOnlyList<int> ProcessIds(string? text)
    {
        var ids = new List<int>();
        foreach (var line in (text ?? "").AsSpan().EnumerateLines())
            if (int.TryParse(line.Trim(), out var id) && id > 0) ids.Add(id);
        return ids;
    }

    /// <summary>The text of a file, or <see langword="null"/> when it is not there or cannot be read.</summary>
    public static string? Read(string path)
    {
        try
        {
            return File.Exists(path) ? KernelFile.ReadText(path) : null;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return null;
        }
    }
}
