using System.Runtime.Versioning;

namespace Ergon.Process.Sandboxing;

/// <summary>What an entry of a directory is, without following links.</summary>
internal enum EntryKind
{
    Missing,
    Directory,
    File,
    Link,
}

/// <summary>A volume with the place at which it really appears.</summary>
[SupportedOSPlatform("linux")]
internal sealed record PlacedVolume(SandboxVolume Volume, string Target);

/// <summary>
/// Decides how the file system inside a sandbox is put together: which host directories appear, which are private or empty, and how each
/// volume gets a place to be mounted on although the host's file system is read-only.
/// </summary>
/// <remarks>
/// The root directory is a new one in which the host's top-level directories are mounted, so that new names can be made in it. Where a
/// volume needs a new name deeper down, that directory is rebuilt in the same way: an empty one, in which everything that the host has
/// there is mounted again, plus the new name.
/// </remarks>
[SupportedOSPlatform("linux")]
internal sealed class SandboxLayout
{
    /// <summary>Directories that are private and writable inside.</summary>
    public static readonly string[] PrivateDirectories = ["/tmp", "/var/tmp", "/run", "/dev/shm"];

    private static readonly string[] Owned = ["/proc", "/sys", "/dev"];
    private const int MaxLinks = 40;

    private readonly List<string> _hidden = [];
    private readonly SortedSet<string> _rebuilt = new(StringComparer.Ordinal) { "/" };
    private readonly SortedSet<string> _newDirectories = new(StringComparer.Ordinal);
    private readonly SortedSet<string> _newFiles = new(StringComparer.Ordinal);
    private readonly List<PlacedVolume> _volumes = [];

    private SandboxLayout()
    {
    }

    /// <summary>Host directories that are empty inside, outermost first.</summary>
    public IReadOnlyList<string> Hidden => _hidden;

    /// <summary>Directories that are made anew and filled with what the host has there, outermost first; <c>/</c> is the first.</summary>
    public IEnumerable<string> Rebuilt => _rebuilt;

    /// <summary>Directories to make in rebuilt, hidden or private ones, outermost first.</summary>
    public IEnumerable<string> NewDirectories => _newDirectories;

    /// <summary>Files to make, for volumes that are files.</summary>
    public IEnumerable<string> NewFiles => _newFiles;

    /// <summary>The volumes, outermost first.</summary>
    public IReadOnlyList<PlacedVolume> Volumes => _volumes;

    /// <summary>Makes the layout; adds what cannot be done to the problems.</summary>
    public static SandboxLayout Create(IReadOnlyList<string> hiddenPaths, IReadOnlyList<SandboxVolume> volumes, RequestProblems problems)
    {
        var layout = new SandboxLayout();
        foreach (var path in hiddenPaths.Order(StringComparer.Ordinal))
        {
            var real = layout.Resolve(path);
            if (Kind(real) == EntryKind.Directory && !layout.IsEmptyInside(real) && !Owned.Any(o => IsWithin(real, o))) layout._hidden.Add(real);
        }

        foreach (var volume in volumes.OrderBy(v => v.Target.Count(c => c == '/')).ThenBy(v => v.Target, StringComparer.Ordinal)) layout.Place(volume, problems);
        return layout;
    }

    /// <summary>Whether a path lies in a private directory.</summary>
    public static bool IsPrivate(string path) => PrivateDirectories.Any(p => IsWithin(path, p));

    /// <summary>Whether a path is a directory or lies in it.</summary>
    public static bool IsWithin(string path, string directory) =>
        directory == "/" || path == directory || (path.StartsWith(directory, StringComparison.Ordinal) && path[directory.Length] == '/');

    /// <summary>What the host has at a path.</summary>
    public static EntryKind Kind(string path)
    {
        var info = new FileInfo(path);
        if (info.LinkTarget is not null) return EntryKind.Link;
        return Directory.Exists(path) ? EntryKind.Directory : info.Exists || File.Exists(path) ? EntryKind.File : EntryKind.Missing;
    }

    private void Place(SandboxVolume volume, RequestProblems problems)
    {
        var target = Resolve(volume.Target);
        var isDirectory = volume.IsDirectory;
        if (target == "/" || Owned.Any(o => IsWithin(target, o) && !IsWithin(target, "/dev/shm")))
        {
            problems.Invalid(volume.Field + ".target", $"is {volume.Target}, which belongs to the sandbox itself; choose a path outside /proc, /sys and /dev.");
            return;
        }

        if (_volumes.FirstOrDefault(v => v.Target == target) is { } taken)
        {
            problems.Invalid(volume.Field + ".target", $"is {volume.Target}, which is the same place as {taken.Volume.Target}; each volume needs its own.");
            return;
        }

        if (_volumes.LastOrDefault(v => IsWithin(target, v.Target)) is { } outer)
        {
            var inside = Path.Join(outer.Volume.Source, target[outer.Target.Length..]);
            if (Kind(inside) != (isDirectory ? EntryKind.Directory : EntryKind.File))
            {
                problems.Invalid(volume.Field + ".target", $"is {volume.Target}, inside the volume {outer.Volume.Target}, where there is no such {(isDirectory ? "directory" : "file")}; create {inside}, or choose a target outside.");
                return;
            }
        }
        else if (!MakePlace(target, isDirectory, out var problem))
        {
            problems.Invalid(volume.Field + ".target", problem);
            return;
        }

        _volumes.Add(new PlacedVolume(volume, target));
    }

    private bool MakePlace(string target, bool isDirectory, out string problem)
    {
        problem = "";
        var kind = IsEmptyInside(target) ? EntryKind.Missing : Kind(target);
        if (IsEmptyInside(target) && (PrivateDirectories.Contains(target) || _hidden.Contains(target))) kind = EntryKind.Directory;
        if (kind == EntryKind.Missing)
        {
            var parent = Path.GetDirectoryName(target)!;
            for (var directory = parent; NeedsMaking(directory); directory = Path.GetDirectoryName(directory)!) _newDirectories.Add(directory);
            (isDirectory ? _newDirectories : _newFiles).Add(target);
            if (!IsEmptyInside(target)) _rebuilt.Add(DeepestOnHost(parent));
            return true;
        }

        if (kind == EntryKind.Directory == isDirectory) return true;
        problem = $"is {target}, which is a {(kind == EntryKind.Directory ? "directory" : "file")} here, but the source is not; choose another target.";
        return false;
    }

    private bool NeedsMaking(string directory) =>
        IsEmptyInside(directory) ? !PrivateDirectories.Contains(directory) && !_hidden.Contains(directory) : Kind(directory) == EntryKind.Missing;

    private static string DeepestOnHost(string directory)
    {
        while (Kind(directory) != EntryKind.Directory) directory = Path.GetDirectoryName(directory)!;
        return directory;
    }

    private bool IsEmptyInside(string path) => IsPrivate(path) || _hidden.Any(h => IsWithin(path, h));

    // Follows the links that the job will see; in private and hidden directories there are none.
    private string Resolve(string path)
    {
        var pending = new Stack<string>(path.Split('/').Reverse());
        var current = "";
        var links = 0;
        while (pending.TryPop(out var part))
        {
            if (part is "" or ".") continue;
            if (part == "..")
            {
                current = current[..Math.Max(0, current.LastIndexOf('/'))];
                continue;
            }

            var next = $"{current}/{part}";
            if (IsEmptyInside(next) || new FileInfo(next).LinkTarget is not { } content || ++links > MaxLinks)
            {
                current = next;
                continue;
            }

            if (content.StartsWith('/')) current = "";
            foreach (var linked in content.Split('/').Reverse()) pending.Push(linked);
        }

        return current.Length == 0 ? "/" : current;
    }
}
