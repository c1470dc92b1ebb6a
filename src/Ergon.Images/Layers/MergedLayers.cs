using Ergon.Images.Tar;

namespace Ergon.Images.Layers;

/// <summary>
/// What the layers of an image make together, as one tar archive. The layers are read twice: first to know which file is visible in the
/// end, then for the content of these. Nothing is unpacked, and memory grows with the number of files, not with their size.
/// </summary>
internal sealed class MergedLayers
{
    private readonly IReadOnlyList<ImageLayer> _layers;
    private readonly TarLimits _limits;
    private readonly Dictionary<ContentPlace, FileNode> _contents = [];
    private readonly List<FileNode> _directories = [];
    private readonly List<FileNode> _special = [];
    private readonly List<(FileNode Parent, string Name, FileNode Node)> _links = [];

    private MergedLayers(IReadOnlyList<ImageLayer> layers, TarLimits limits, FileTree tree)
    {
        (_layers, _limits) = (layers, limits);
        Collect(tree.Root);
    }

    /// <summary>The bytes of content that will be written.</summary>
    public long ContentSize => _contents.Values.Sum(n => n.Size);

    /// <summary>Reads the layers for the first time.</summary>
    /// <exception cref="InvalidDataException">A layer is damaged, or would do harm.</exception>
    public static async Task<MergedLayers> IndexAsync(IReadOnlyList<ImageLayer> layers, TarLimits limits, CancellationToken cancellationToken)
    {
        var indexes = new IReadOnlyList<TarEntry>[layers.Count];
        var options = new ParallelOptions { CancellationToken = cancellationToken, MaxDegreeOfParallelism = Environment.ProcessorCount };
        await Parallel.ForAsync(0, layers.Count, options, async (i, token) => indexes[i] = await layers[i].IndexAsync(limits, token));
        if (indexes.Sum(i => (long)i.Count) > limits.MaxEntries) throw new InvalidDataException($"Its layers have more than {limits.MaxEntries} entries together.");
        var tree = new FileTree();
        for (var i = 0; i < layers.Count; i++)
        {
            try
            {
                tree.Apply(i, indexes[i], cancellationToken);
            }
            catch (InvalidDataException e)
            {
                throw new InvalidDataException($"The layer {layers[i].Name} cannot be used. {e.Message}", e);
            }

            indexes[i] = [];
        }

        return new MergedLayers(layers, limits, tree);
    }

    /// <summary>Writes the archive, reading the layers for the second time: directories, files in the order of the layers, the rest.</summary>
    /// <param name="writer">Where to.</param>
    /// <param name="progress">Takes the bytes of content that have been written.</param>
    /// <param name="cancellationToken">Ends the writing.</param>
    public async Task WriteAsync(TarWriter writer, Action<long> progress, CancellationToken cancellationToken)
    {
        foreach (var node in _directories) await writer.WriteHeaderAsync(Describe(node), cancellationToken);
        var written = 0L;
        for (var layer = 0; layer < _layers.Count; layer++)
        {
            var current = layer;
            if (!_contents.Keys.Any(c => c.Layer == current)) continue;
            var index = 0;
            await _layers[layer].ReadAsync(
                async (entry, reader) =>
                {
                    if (!_contents.TryGetValue(new ContentPlace(current, index++), out var node)) return;
                    await writer.WriteHeaderAsync(Describe(node), cancellationToken);
                    await reader.CopyContentAsync(writer.WriteAsync, cancellationToken);
                    progress(written += node.Size);
                },
                _limits,
                cancellationToken);
        }

        foreach (var node in _special) await writer.WriteHeaderAsync(Describe(node), cancellationToken);
        foreach (var (parent, name, node) in _links)
            await writer.WriteHeaderAsync(new TarEntry { Type = EntryType.HardLink, Name = PathOf(parent, name), LinkName = PathOf(node.Parent, node.Name) }, cancellationToken);
        await writer.FinishAsync(cancellationToken);
    }

    private void Collect(FileNode directory)
    {
        _directories.Add(directory);

        // The same image gives the same archive.
        foreach (var (name, (child, _)) in directory.Children!.OrderBy(c => c.Key, StringComparer.Ordinal))
        {
            if (child.IsDirectory)
            {
                Collect(child);
            }
            else if (child.Parent is not null)
            {
                _links.Add((directory, name, child));
            }
            else
            {
                (child.Parent, child.Name) = (directory, name);
                if (child.Type == EntryType.File) _contents.Add(child.Content, child);
                else _special.Add(child);
            }
        }
    }

    // Put together when it is needed: there may be many long ones.
    private static string PathOf(FileNode parent, string name)
    {
        List<string> parts = [name];
        for (; parent.Parent != parent; parent = parent.Parent) parts.Add(parent.Name);
        parts.Reverse();
        return string.Join('/', parts);
    }

    private static TarEntry Describe(FileNode node) => new()
    {
        Type = node.Type,
        Name = node.Parent == node ? "./" : PathOf(node.Parent, node.Name) + (node.IsDirectory ? "/" : ""),
        LinkName = node.LinkTarget,
        Attributes = node.Attributes,
        Size = node.Size,
        DeviceMajor = node.DeviceMajor,
        DeviceMinor = node.DeviceMinor,
        ExtendedAttributes = BlockImageAttributes.Keep(node.ExtendedAttributes),
    };
}
