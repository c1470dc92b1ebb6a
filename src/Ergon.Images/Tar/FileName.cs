using System.Text;

namespace Ergon.Images.Tar;

/// <summary>Names of files: bytes, kept as strings with one character for each byte.</summary>
internal static class FileName
{
    /// <summary>How names are kept.</summary>
    public static Encoding Encoding => Encoding.Latin1;

    /// <summary>The longest name of one component that Linux file systems take.</summary>
    public const int MaxComponent = 255;

    /// <summary>The longest path that the kernel takes.</summary>
    public const int MaxPath = 4095;

    /// <summary>A name as people read it.</summary>
    public static string Show(string name)
    {
        var text = Encoding.UTF8.GetString(Encoding.GetBytes(name));
        var shown = text.Length > 200 ? text[..200] + "..." : text;
        return string.Concat(shown.Select(c => char.IsControl(c) ? '?' : c));
    }

    /// <summary>A text as a name is kept.</summary>
    public static string FromText(string text) => Encoding.GetString(Encoding.UTF8.GetBytes(text));

    /// <summary>
    /// The components of a name in an archive, without empty ones and <c>.</c>; a name that begins with a slash is taken as one without.
    /// Leading <c>..</c> remain and are for the caller to refuse; others are resolved as text, as every unpacker of images does.
    /// </summary>
    /// <param name="name">The name.</param>
    /// <param name="keepDotDot">Keeps every <c>..</c>, for who resolves them on the way, as the kernel does with the targets of links.</param>
    public static List<string> Split(string name, bool keepDotDot = false)
    {
        List<string> parts = [];
        foreach (var range in name.AsSpan().Split('/'))
        {
            var part = name.AsSpan(range);
            if (part.IsEmpty || part is ".") continue;
            if (!keepDotDot && part is ".." && parts.Count > 0 && parts[^1] != "..") parts.RemoveAt(parts.Count - 1);
            else parts.Add(part.ToString());
        }

        return parts;
    }
}
