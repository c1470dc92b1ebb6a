using System.Runtime.Versioning;
using Ergon.Images.Tar;

namespace Ergon.Images.Files;

/// <summary>
/// Removes directories that somebody else filled: names that are no text, any depth, and links, which are removed and never followed.
/// </summary>
[SupportedOSPlatform("linux")]
internal static class DirectoryTree
{
    // Each level holds a descriptor. What lies deeper is moved up first.
    private const int MaxDepth = 64;

    /// <summary>Removes a directory with everything in it; nothing happens when there is none.</summary>
    public static void Remove(string path)
    {
        var parent = Path.GetDirectoryName(path) ?? throw new ArgumentException("The root directory cannot be removed.", nameof(path));
        if (!Directory.Exists(parent)) return;
        using var above = DirectoryHandle.Open(parent);
        var name = FileName.FromText(Path.GetFileName(path));
        if (above.TryStatusOf(name) is not { } status) return;
        if (status.IsDirectory) Remove(above, name);
        else above.Remove(name);
    }

    /// <summary>Removes a directory with everything in it.</summary>
    public static void Remove(DirectoryHandle parent, string name)
    {
        using (var directory = parent.OpenDirectory(name))
        {
            var moved = 0;
            bool emptied;
            do emptied = Empty(directory, directory, 1, ref moved);
            while (!emptied);
        }

        parent.RemoveDirectory(name);
    }

    // Returns whether nothing was moved up meanwhile.
    private static bool Empty(DirectoryHandle directory, DirectoryHandle top, int depth, ref int moved)
    {
        var complete = true;
        foreach (var name in directory.Names())
        {
            if (directory.TryStatusOf(name) is not { } status) continue;
            if (!status.IsDirectory)
            {
                directory.Remove(name);
                continue;
            }

            if (depth >= MaxDepth)
            {
                directory.Move(name, top, FreeName(top, ref moved));
                complete = false;
                continue;
            }

            using (var inner = directory.OpenDirectory(name)) complete &= Empty(inner, top, depth + 1, ref moved);
            directory.RemoveDirectory(name);
        }

        return complete;
    }

    private static string FreeName(DirectoryHandle top, ref int moved)
    {
        string name;
        do name = $"moved-{moved++}";
        while (top.TryStatusOf(name) is not null);
        return name;
    }
}
