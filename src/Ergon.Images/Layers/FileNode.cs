using Ergon.Images.Tar;

namespace Ergon.Images.Layers;

/// <summary>Where a file's content stands: which entry of which layer.</summary>
internal readonly record struct ContentPlace(int Layer, int Entry);

/// <summary>An inode of a <see cref="FileTree"/>: hard links are several names for the same node.</summary>
internal sealed class FileNode
{
    public required EntryType Type { get; init; }

    public EntryAttributes Attributes { get; set; }

    public IReadOnlyList<ExtendedAttribute> ExtendedAttributes { get; set; } = [];

    /// <summary>Where a symbolic link leads to.</summary>
    public string LinkTarget { get; init; } = "";

    public uint DeviceMajor { get; init; }

    public uint DeviceMinor { get; init; }

    public long Size { get; init; }

    public ContentPlace Content { get; init; }

    /// <summary>What a directory has inside; <see langword="null"/> for everything else.</summary>
    public Dictionary<string, NamedNode>? Children { get; init; }

    /// <summary>The directory that has a directory; the root has itself. Of everything else, the one that has its first name.</summary>
    public FileNode Parent { get; set; } = null!;

    /// <summary>The name in <see cref="Parent"/>.</summary>
    public string Name { get; set; } = "";

    /// <summary>The length of a directory's path.</summary>
    public int PathLength { get; set; }

    public bool IsDirectory => Children is not null;
}

/// <summary>A name of a node, and the layer that gave it.</summary>
internal readonly record struct NamedNode(FileNode Node, int Layer);
