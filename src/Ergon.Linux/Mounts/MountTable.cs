using System.Text;

namespace Ergon.Linux;

/// <summary>One line of <c>/proc/self/mountinfo</c>.</summary>
internal sealed record MountEntry(string Root, string MountPoint, string Options, string Type, string Source, string SuperOptions);

/// <summary>Reads the mounts of this process.</summary>
internal static class MountTable
{
    public static IReadOnlyList<MountEntry> ReadOwn() => Parse(KernelFile.ReadText("/proc/self/mountinfo"));

    /// <summary>Parses mountinfo (proc_pid_mountinfo(5)); lines that are not of that form are left out.</summary>
    public static IReadOnlyList<MountEntry> Parse(string text)
    {
        var entries = new List<MountEntry>();
        foreach (var line in text.Split('\n'))
        {
            var fields = line.Split(' ');
            var separator = Array.IndexOf(fields, "-");
            if (separator < 6 || fields.Length < separator + 4) continue;
            entries.Add(new MountEntry(
                Unescape(fields[3]), Unescape(fields[4]), fields[5], fields[separator + 1], Unescape(fields[separator + 2]), fields[separator + 3]));
        }

        return entries;
    }

    // The kernel writes space, tab, newline and backslash as three octal digits; they stand for bytes of the file name.
    private static string Unescape(string field)
    {
        if (!field.Contains('\\')) return field;
        var bytes = new List<byte>(field.Length);
        var source = Encoding.UTF8.GetBytes(field);
        for (var i = 0; i < source.Length; i++)
        {
            if (source[i] == '\\' && i + 3 < source.Length && TryOctal(source.AsSpan(i + 1, 3), out var value))
            {
                bytes.Add(value);
                i += 3;
            }
            else
            {
                bytes.Add(source[i]);
            }
        }

        return Encoding.UTF8.GetString([.. bytes]);
    }

    private static bool TryOctal(ReadOnlySpan<byte> digits, out byte value)
    {
        var number = 0;
        foreach (var digit in digits)
        {
            value = 0;
            if (digit is < (byte)'0' or > (byte)'7') return false;
            number = (number * 8) + digit - '0';
        }

        value = (byte)number;
        return number <= byte.MaxValue;
    }
}
