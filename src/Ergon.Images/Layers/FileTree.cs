using Ergon.Images.Tar;

namespace Ergon.Images.Layers;

/// <summary>
/// The files that a stack of layers leaves visible, without their content: layers are applied as a container engine applies them to a
/// directory (https://github.com/opencontainers/image-spec/blob/main/layer.md), confined to the tree.
/// </summary>
internal sealed class FileTree
{
    private const string Whiteout = ".wh.";
    private const string Opaque = ".wh..wh..opq";
    private const string WhiteoutMeta = ".wh..wh.";

    // As in the kernel: a path that needs more links than this is a loop.
    private const int MaxLinks = 40;

    private const uint MaxMajor = 0xFFF;
    private const uint MaxMinor = 0xFFFFF;

    private int _layer;

    public FileTree() => Root = Directory(EntryAttributes.ImpliedDirectory);

    public FileNode Root { get; private set; }

    /// <summary>Applies the entries of the next layer, in their order.</summary>
    /// <exception cref="InvalidDataException">An entry would leave the tree, or makes no sense.</exception>
    public void Apply(int layer, IReadOnlyList<TarEntry> entries, CancellationToken cancellationToken)
    {
        _layer = layer;
        for (var i = 0; i < entries.Count; i++)
        {
            cancellationToken.ThrowIfCancellationRequested();
            Apply(entries[i], i);
        }
    }

    private void Apply(TarEntry entry, int index)
    {
        var parts = Components(entry.Name, entry);
        if (parts.Count == 0)
        {
            if (entry.Type != EntryType.Directory) throw Refused(entry, "it would replace the root directory with something else");
            (Root.Attributes, Root.ExtendedAttributes) = (entry.Attributes, entry.ExtendedAttributes);
            return;
        }

        var name = parts[^1];
        if (name.StartsWith(WhiteoutMeta, StringComparison.Ordinal) && name != Opaque) return;
        var isWhiteout = name.StartsWith(Whiteout, StringComparison.Ordinal);
        if (Walk(parts[..^1], entry, create: !isWhiteout) is not { } parent) return;
        if (isWhiteout)
        {
            Hide(parent, name, entry);
            return;
        }

        CheckPath(parent, name, entry);
        if (entry.Type == EntryType.HardLink) Link(parent, name, entry);
        else Put(parent, name, entry, index);
    }

    private void Hide(FileNode directory, string name, TarEntry entry)
    {
        if (name == Opaque)
        {
            foreach (var child in directory.Children!.Keys.ToList()) HideLower(directory, child);
            return;
        }

        var hidden = name[Whiteout.Length..];
        if (hidden is "" or "." or "..") throw Refused(entry, "it hides nothing that could have such a name");
        HideLower(directory, hidden);
    }

    /// <summary>Removes what lower layers gave; what this layer gave remains, wherever in the layer the whiteout stands.</summary>
    /// <returns>Whether nothing remained.</returns>
    private bool HideLower(FileNode directory, string name)
    {
        if (!directory.Children!.TryGetValue(name, out var child)) return true;
        if (!child.Node.IsDirectory)
        {
            if (child.Layer == _layer) return false;
        }
        else
        {
            var empty = true;
            foreach (var inner in child.Node.Children!.Keys.ToList()) empty &= HideLower(child.Node, inner);
            if (child.Layer == _layer || !empty) return false;
        }

        directory.Children.Remove(name);
        return true;
    }

    private void Link(FileNode parent, string name, TarEntry entry)
    {
        var parts = Components(entry.LinkName, entry);
        NamedNode target = default;
        var found = parts.Count > 0 && Walk(parts[..^1], entry, create: false) is { } directory && directory.Children!.TryGetValue(parts[^1], out target);
        if (!found) throw Refused(entry, $"it is a hard link to '{FileName.Show(entry.LinkName)}', which is not there");
        if (target.Node.IsDirectory) throw Refused(entry, $"it is a hard link to the directory '{FileName.Show(entry.LinkName)}'");
        parent.Children![name] = new NamedNode(target.Node, _layer);
    }

    private void Put(FileNode parent, string name, TarEntry entry, int index)
    {
        if (entry.Type == EntryType.Directory)
        {
            if (parent.Children!.TryGetValue(name, out var existing) && existing.Node.IsDirectory)
            {
                (existing.Node.Attributes, existing.Node.ExtendedAttributes) = (entry.Attributes, entry.ExtendedAttributes);
                parent.Children[name] = existing with { Layer = _layer };
                return;
            }

            var made = Add(parent, name, Directory(entry.Attributes), entry);
            made.ExtendedAttributes = entry.ExtendedAttributes;
            return;
        }

        Check(entry);
        parent.Children![name] = new NamedNode(
            new FileNode
            {
                Type = entry.Type,
                Attributes = entry.Attributes,
                ExtendedAttributes = entry.ExtendedAttributes,
                LinkTarget = entry.Type == EntryType.SymbolicLink ? entry.LinkName : "",
                DeviceMajor = entry.DeviceMajor,
                DeviceMinor = entry.DeviceMinor,
                Size = entry.Size,
                Content = new ContentPlace(_layer, index),
            },
            _layer);
    }

    /// <summary>Goes down to a directory. Symbolic links lead to where they would inside a container, never out of the tree.</summary>
    /// <returns>The directory; <see langword="null"/> when it does not exist and is not to be created.</returns>
    private FileNode? Walk(IEnumerable<string> parts, TarEntry entry, bool create)
    {
        var pending = new Stack<string>(parts.Reverse());
        var (at, links) = (Root, 0);
        while (pending.TryPop(out var name))
        {
            if (name == "..")
            {
                at = at.Parent;
                continue;
            }

            if (!at.Children!.TryGetValue(name, out var child))
            {
                if (!create) return null;
                at = Add(at, name, Directory(EntryAttributes.ImpliedDirectory), entry);
            }
            else if (child.Node.IsDirectory)
            {
                at = child.Node;
            }
            else if (child.Node.Type != EntryType.SymbolicLink)
            {
                return create ? throw Refused(entry, $"'{FileName.Show(name)}' in its path is not a directory") : null;
            }
            else
            {
                if (++links > MaxLinks) throw Refused(entry, "its path leads through a loop of symbolic links");
                if (child.Node.LinkTarget.StartsWith('/')) at = Root;
                var target = FileName.Split(child.Node.LinkTarget, keepDotDot: true);
                for (var i = target.Count - 1; i >= 0; i--) pending.Push(target[i]);
            }
        }

        return at;
    }

    private FileNode Add(FileNode parent, string name, FileNode directory, TarEntry entry)
    {
        CheckPath(parent, name, entry);
        (directory.Parent, directory.Name, directory.PathLength) = (parent, name, parent.PathLength + 1 + name.Length);
        parent.Children![name] = new NamedNode(directory, _layer);
        return directory;
    }

    // What Linux, or squashfs, could not keep as it is.
    private static void Check(TarEntry entry)
    {
        if (entry.Type == EntryType.SymbolicLink && entry.LinkName.Length == 0) throw Refused(entry, "it is a link to nowhere");
        if (entry.DeviceMajor > MaxMajor || entry.DeviceMinor > MaxMinor) throw Refused(entry, $"there is no device {entry.DeviceMajor}:{entry.DeviceMinor}");
    }

    // Links may lead deeper than the names of entries say, and a path longer than the kernel takes could not be read.
    private static void CheckPath(FileNode parent, string name, TarEntry entry)
    {
        if (parent.PathLength + 1 + name.Length > FileName.MaxPath) throw Refused(entry, $"its path is longer than {FileName.MaxPath} bytes");
    }

    private static FileNode Directory(EntryAttributes attributes)
    {
        var node = new FileNode { Type = EntryType.Directory, Attributes = attributes, Children = new(StringComparer.Ordinal) };
        node.Parent = node;
        return node;
    }

    private static List<string> Components(string name, TarEntry entry)
    {
        var parts = FileName.Split(name);
        if (parts is ["..", ..]) throw Refused(entry, $"'{FileName.Show(name)}' leads out of the image");
        return parts.Any(p => p.Length > FileName.MaxComponent) ? throw Refused(entry, $"a name in it is longer than {FileName.MaxComponent} bytes") : parts;
    }

    private static InvalidDataException Refused(TarEntry entry, string why) => new($"The entry '{FileName.Show(entry.Name)}' is refused: {why}.");
}
