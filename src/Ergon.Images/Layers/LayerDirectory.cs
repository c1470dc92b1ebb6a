using System.Runtime.Versioning;
using Ergon.Images.Files;
using Ergon.Images.Tar;
using Ergon.Linux;

namespace Ergon.Images.Layers;

/// <summary>
/// Unpacks one layer into a directory that overlayfs stacks upon others: what the layer removes from the layers below becomes what
/// overlayfs takes for that. Links in the path of an entry lead to where they would inside a container, never out of the directory.
/// </summary>
[SupportedOSPlatform("linux")]
internal sealed class LayerDirectory : IDisposable
{
    private const string Whiteout = ".wh.";
    private const string Opaque = ".wh..wh..opq";
    private const string WhiteoutMeta = ".wh..wh.";
    private const long Block = 4096;
    private const uint Permissions = 0xFFF;
    private const uint MaxMajor = 0xFFF;
    private const uint MaxMinor = 0xFFFFF;

    private static readonly ExtendedAttribute IsOpaque = new("trusted.overlay.opaque", "y"u8.ToArray());

    private readonly LayerPath _path;
    private readonly Dictionary<string, long> _directoryTimes = [];
    private readonly long _maxBytes;
    private long _bytes;

    private LayerDirectory(DirectoryHandle root, long maxBytes) => (_path, _maxBytes) = (new LayerPath(root), maxBytes);

    /// <summary>Unpacks the layer; returns about how many bytes it takes on disk.</summary>
    /// <param name="layer">The layer.</param>
    /// <param name="directory">An existing, empty directory that nobody else changes.</param>
    /// <param name="maxBytes">The bytes of all files together.</param>
    /// <param name="progress">Takes how many bytes have been written.</param>
    /// <param name="cancellationToken">Ends it; what has been unpacked remains.</param>
    /// <exception cref="InvalidDataException">The layer is damaged, or would do harm.</exception>
    public static async Task<long> UnpackAsync(ImageLayer layer, string directory, long maxBytes, Action<long> progress, CancellationToken cancellationToken)
    {
        using var root = DirectoryHandle.Open(directory);
        root.ChangeMode(EntryAttributes.ImpliedDirectory.Mode);
        using var unpacking = new LayerDirectory(root, maxBytes);
        await layer.ReadAsync(
            async (entry, reader) =>
            {
                await unpacking.AddAsync(entry, reader, cancellationToken);
                progress(unpacking._bytes);
            },
            TarLimits.ForImages,
            cancellationToken);
        unpacking.FinishDirectories();
        return unpacking._bytes;
    }

    public void Dispose() => _path.Dispose();

    private async ValueTask AddAsync(TarEntry entry, TarReader reader, CancellationToken cancellationToken)
    {
        var parts = LayerPath.Components(entry);
        if (parts.Count == 0)
        {
            if (entry.Type != EntryType.Directory) throw LayerPath.Refused(entry, "it would replace the root directory with something else");
            Describe(_path.Root, ".", entry);
            _directoryTimes[""] = entry.Attributes.ModifiedSeconds;
            return;
        }

        var name = parts[^1];
        if (name.StartsWith(WhiteoutMeta, StringComparison.Ordinal) && name != Opaque) return;
        var parent = _path.Enter(parts[..^1], entry, create: true)!;
        Count(Block);
        if (name.StartsWith(Whiteout, StringComparison.Ordinal)) Hide(parent, name, entry);
        else if (entry.Type == EntryType.HardLink) Link(parts, name, entry);
        else if (entry.Type == EntryType.Directory) PutDirectory(parent, name, entry);
        else await PutAsync(parent, name, entry, reader, cancellationToken);
    }

    // What this layer gives remains, wherever in the layer the whiteout stands.
    private static void Hide(DirectoryHandle parent, string name, TarEntry entry)
    {
        if (name == Opaque)
        {
            parent.SetAttribute(".", IsOpaque);
            return;
        }

        var hidden = name[Whiteout.Length..];
        if (hidden is "" or "." or "..") throw LayerPath.Refused(entry, "it hides nothing that could have such a name");
        if (parent.TryStatusOf(hidden) is not { } own) parent.CreateNode(hidden, FileKind.CharacterDevice, 0, 0);
        else if (own.IsDirectory) parent.SetAttribute(hidden, IsOpaque);
    }

    private void PutDirectory(DirectoryHandle parent, string name, TarEntry entry)
    {
        var existing = parent.TryStatusOf(name);
        var replacesLower = existing is { } status && IsWhiteout(status);
        if (existing is { IsDirectory: false }) parent.Remove(name);
        if (existing is not { IsDirectory: true }) parent.CreateDirectory(name);
        Describe(parent, name, entry);
        if (replacesLower) parent.SetAttribute(name, IsOpaque);
        _directoryTimes[_path.NameOf(name)] = entry.Attributes.ModifiedSeconds;
    }

    private async ValueTask PutAsync(DirectoryHandle parent, string name, TarEntry entry, TarReader reader, CancellationToken cancellationToken)
    {
        MakeWay(parent, name);
        switch (entry.Type)
        {
            case EntryType.File:
                Count(entry.Size);
                await using (var file = new FileStream(parent.CreateFile(name), FileAccess.Write, bufferSize: 0)) await reader.CopyContentAsync(file.WriteAsync, cancellationToken);
                break;
            case EntryType.SymbolicLink:
                if (entry.LinkName.Length == 0 || entry.LinkName.Contains('\0')) throw LayerPath.Refused(entry, "it is a link to nowhere");
                parent.CreateLink(name, entry.LinkName);
                break;
            default:
                if (entry.DeviceMajor > MaxMajor || entry.DeviceMinor > MaxMinor) throw LayerPath.Refused(entry, $"there is no device {entry.DeviceMajor}:{entry.DeviceMinor}");
                parent.CreateNode(name, KindOf(entry.Type), entry.DeviceMajor, entry.DeviceMinor);
                break;
        }

        Describe(parent, name, entry);
        parent.SetModified(name, entry.Attributes.ModifiedSeconds);
    }

    private void Link(List<string> parts, string name, TarEntry entry)
    {
        var target = LayerPath.Components(entry with { Name = entry.LinkName });
        if (target.Count == 0) throw LayerPath.Refused(entry, "it is a hard link to a directory");
        var directory = _path.Enter(target[..^1], entry, create: false);
        if (directory?.TryStatusOf(target[^1]) is not { } status || IsWhiteout(status)) throw LayerPath.Refused(entry, $"it is a hard link to '{FileName.Show(entry.LinkName)}', which is not there");
        if (status.IsDirectory) throw LayerPath.Refused(entry, $"it is a hard link to the directory '{FileName.Show(entry.LinkName)}'");
        // A descriptor of its own: going to the other directory closes this one.
        using var source = directory.OpenDirectory(".");
        var parent = _path.Enter(parts[..^1], entry, create: true)!;
        if (parent.TryStatusOf(name) is { } existing && existing.Inode == status.Inode && existing.FileSystem == status.FileSystem) return;
        MakeWay(parent, name);
        parent.CreateHardLink(name, source, target[^1]);
    }

    private static void MakeWay(DirectoryHandle parent, string name)
    {
        if (parent.TryStatusOf(name) is not { } status) return;
        if (status.IsDirectory) DirectoryTree.Remove(parent, name);
        else parent.Remove(name);
    }

    // In this order: a change of the owner takes set-user-id bits and capabilities away.
    private static void Describe(DirectoryHandle parent, string name, TarEntry entry)
    {
        parent.ChangeOwner(name, entry.Attributes.UserId, entry.Attributes.GroupId);
        if (entry.Type != EntryType.SymbolicLink) parent.ChangeMode(name, entry.Attributes.Mode & Permissions);
        foreach (var attribute in BlockImageAttributes.Keep(entry.ExtendedAttributes))
            if (!IsOverlays(attribute.Name)) parent.SetAttribute(name, attribute);
    }

    // With these, a layer could tell overlayfs to show other files than its own.
    private static bool IsOverlays(string attribute) =>
        attribute.StartsWith("trusted.overlay.", StringComparison.Ordinal) || attribute.StartsWith("user.overlay.", StringComparison.Ordinal);

    private static bool IsWhiteout(FileStatus status) => status.Kind == FileKind.CharacterDevice && status.Device == (0u, 0u);

    private static FileKind KindOf(EntryType type) => type switch
    {
        EntryType.CharacterDevice => FileKind.CharacterDevice,
        EntryType.BlockDevice => FileKind.BlockDevice,
        _ => FileKind.Fifo,
    };

    private void Count(long bytes)
    {
        if (bytes > _maxBytes - _bytes) throw new InvalidDataException($"Unpacked it has more than the {_maxBytes} bytes that are taken.");
        _bytes += bytes;
    }

    // At the end: everything that is put into a directory changes its time.
    private void FinishDirectories()
    {
        foreach (var (path, seconds) in _directoryTimes)
            if (_path.TryEnter(path)) _path.Current.SetModified(seconds);
    }
}
