using System.Runtime.Versioning;
using Ergon.Images.Files;
using Ergon.Images.Tar;
using Ergon.Linux;

namespace Ergon.Images.Layers;

/// <summary>Goes from directory to directory below a root, and never out of it: the way from the root is held open.</summary>
/// <param name="root">Stays the caller's.</param>
[SupportedOSPlatform("linux")]
internal sealed class LayerPath(DirectoryHandle root) : IDisposable
{
    // Each level holds a descriptor.
    private const int MaxDepth = 256;

    // As in the kernel: a path that needs more links than this is a loop.
    private const int MaxLinks = 40;

    private readonly List<(string Name, DirectoryHandle Directory)> _way = [];

    public DirectoryHandle Root => root;

    public DirectoryHandle Current => _way.Count == 0 ? root : _way[^1].Directory;

    /// <summary>The components of an entry's name.</summary>
    public static List<string> Components(TarEntry entry)
    {
        var parts = FileName.Split(entry.Name);
        if (parts is ["..", ..]) throw Refused(entry, $"'{FileName.Show(entry.Name)}' leads out of the image");
        if (parts.Any(p => p.Contains('\0'))) throw Refused(entry, "there is a zero byte in its name");
        return parts.Any(p => p.Length > FileName.MaxComponent) ? throw Refused(entry, $"a name in it is longer than {FileName.MaxComponent} bytes") : parts;
    }

    public static InvalidDataException Refused(TarEntry entry, string why) => new($"The entry '{FileName.Show(entry.Name)}' is refused: {why}.");

    /// <summary>The path of a name in the current directory.</summary>
    public string NameOf(string name) => string.Join('/', _way.Select(w => w.Name).Append(name));

    /// <summary>Goes to a directory; the result is valid until the next one is gone to.</summary>
    /// <returns>The directory; <see langword="null"/> when it does not exist and is not to be created.</returns>
    public DirectoryHandle? Enter(List<string> parts, TarEntry entry, bool create)
    {
        var known = 0;
        while (known < parts.Count && known < _way.Count && _way[known].Name == parts[known]) known++;
        GoBackTo(known);
        var pending = new Stack<string>(Enumerable.Reverse(parts.Skip(known)));
        var links = 0;
        while (pending.TryPop(out var name))
        {
            if (name == "..")
            {
                GoBackTo(Math.Max(0, _way.Count - 1));
                continue;
            }

            var status = Current.TryStatusOf(name);
            if (status is null && !create) return null;
            if (status is null) Make(name);
            if (status is { Kind: FileKind.SymbolicLink })
            {
                if (++links > MaxLinks) throw Refused(entry, "its path leads through a loop of symbolic links");
                var target = Current.ReadLink(name);
                if (target.StartsWith('/')) GoBackTo(0);
                var inner = FileName.Split(target, keepDotDot: true);
                for (var i = inner.Count - 1; i >= 0; i--) pending.Push(inner[i]);
                continue;
            }

            if (status is { IsDirectory: false }) return create ? throw Refused(entry, $"'{FileName.Show(name)}' in its path is not a directory") : null;
            if (_way.Count == MaxDepth) throw Refused(entry, $"it is more than {MaxDepth} directories deep");
            _way.Add((name, Current.OpenDirectory(name)));
        }

        return Current;
    }

    /// <summary>Goes to a directory by a path without links; false when it is not there any more.</summary>
    public bool TryEnter(string path)
    {
        var parts = FileName.Split(path);
        var known = 0;
        while (known < parts.Count && known < _way.Count && _way[known].Name == parts[known]) known++;
        GoBackTo(known);
        foreach (var name in parts.Skip(known))
        {
            if (Current.TryStatusOf(name) is not { IsDirectory: true }) return false;
            _way.Add((name, Current.OpenDirectory(name)));
        }

        return true;
    }

    public void Dispose() => GoBackTo(0);

    private void Make(string name)
    {
        Current.CreateDirectory(name);
        Current.ChangeMode(name, EntryAttributes.ImpliedDirectory.Mode);
    }

    private void GoBackTo(int depth)
    {
        for (var i = depth; i < _way.Count; i++) _way[i].Directory.Dispose();
        _way.RemoveRange(depth, _way.Count - depth);
    }
}
