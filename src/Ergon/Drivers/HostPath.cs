namespace Ergon.Drivers;

/// <summary>Paths of the host that a request names: what they really mean, and whether the operator allows them.</summary>
public static class HostPath
{
    // As in the kernel (path_resolution(7)): a path that needs more links than this is a loop.
    private const int MaxLinks = 40;

    /// <summary>Resolves every symbolic link of an absolute path; what does not exist yet is kept as it is.</summary>
    /// <exception cref="IOException">The links form a loop, or a directory cannot be read.</exception>
    public static string Resolve(string path)
    {
        var links = 0;
        var pending = new Stack<string>();
        Push(pending, path);
        var resolved = Path.GetPathRoot(path) ?? "/";
        while (pending.TryPop(out var name))
        {
            if (name is "" or ".") continue;
            if (name == "..")
            {
                resolved = Path.GetDirectoryName(resolved) ?? resolved;
                continue;
            }

            var next = Path.Combine(resolved, name);
            if (new FileInfo(next).LinkTarget is not { } target)
            {
                resolved = next;
                continue;
            }

            if (++links > MaxLinks) throw new IOException($"Too many symbolic links in {path}.");
            if (Path.IsPathRooted(target)) resolved = Path.GetPathRoot(target) ?? "/";
            Push(pending, target);
        }

        return resolved;
    }

    /// <summary>Whether a resolved path is one of the roots or lies below one; without roots, none does.</summary>
    public static bool IsWithinAny(string resolved, IReadOnlyList<string> roots) =>
        roots.Any(root => IsWithin(resolved, Resolve(Path.GetFullPath(root))));

    private static bool IsWithin(string path, string root) =>
        path == root || path.StartsWith(root.EndsWith('/') ? root : root + "/", StringComparison.Ordinal);

    private static void Push(Stack<string> pending, string path)
    {
        var parts = path[(Path.GetPathRoot(path)?.Length ?? 0)..].Split(['/', Path.DirectorySeparatorChar]);
        for (var i = parts.Length - 1; i >= 0; i--) pending.Push(parts[i]);
    }
}
