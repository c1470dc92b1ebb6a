using System.Runtime.Versioning;
using System.Text.Unicode;
using Ergon.Images.Tar;
using Ergon.Linux;

namespace Ergon.Images.Files;

/// <summary>What unpacking may cost at most.</summary>
internal sealed record UnpackLimits
{
    /// <summary>The bytes of all files together.</summary>
    public required long MaxBytes { get; init; }

    /// <summary>The number of entries.</summary>
    public long MaxEntries { get; init; } = 1_000_000;

    /// <summary>How deep directories may lie in each other.</summary>
    public int MaxDepth { get; init; } = 128;
}

/// <summary>What was unpacked.</summary>
internal readonly record struct UnpackResult(long Entries, long Bytes);

/// <summary>
/// Unpacks a tar archive of somebody who is not trusted into a directory, and never beside it: symbolic links are made as they are but
/// never followed, and nothing gets an owner, a set-user-id bit or a device.
/// </summary>
[SupportedOSPlatform("linux")]
internal sealed class UntrustedArchive
{
    private const uint Permissions = 0x1FF;
    private const uint OwnerEverything = 0x1C0;
    private const long HeaderShare = 4096;

    private readonly UnpackLimits _limits;
    private readonly DirectoryHandle _root;
    private readonly List<(string[] Path, EntryAttributes Attributes)> _directories = [];
    private long _entries;
    private long _bytes;

    private UntrustedArchive(DirectoryHandle root, UnpackLimits limits) => (_root, _limits) = (root, limits);

    /// <summary>Unpacks the archive; what is in the directory already is replaced by files of the same name.</summary>
    /// <param name="archive">The archive; it is read to its end.</param>
    /// <param name="directory">An existing directory that nobody else changes.</param>
    /// <param name="limits">What it may cost.</param>
    /// <param name="cancellationToken">Ends it; what has been unpacked remains.</param>
    /// <exception cref="ExecutorException">
    /// <see cref="ErrorCode.BackendFailed"/>: the archive is damaged, or wants what it must not; <see cref="ErrorCode.StorageFailed"/>:
    /// the directory cannot be written. What came before remains.
    /// </exception>
    public static async Task<UnpackResult> UnpackAsync(Stream archive, string directory, UnpackLimits limits, CancellationToken cancellationToken)
    {
        try
        {
            using var root = DirectoryHandle.Open(directory);
            var headers = limits.MaxEntries < long.MaxValue / HeaderShare ? limits.MaxEntries * HeaderShare : long.MaxValue;
            var tar = new TarLimits { MaxEntries = limits.MaxEntries, MaxBytes = limits.MaxBytes > long.MaxValue - headers ? long.MaxValue : limits.MaxBytes + headers };
            using var reader = new TarReader(archive, tar);
            var unpacking = new UntrustedArchive(root, limits);
            while (await reader.NextAsync(cancellationToken) is { } entry) await unpacking.AddAsync(entry, reader, cancellationToken);
            await reader.DrainAsync(cancellationToken);
            unpacking.FinishDirectories();
            return new UnpackResult(unpacking._entries, unpacking._bytes);
        }
        catch (InvalidDataException e)
        {
            throw new ExecutorException(ErrorCode.BackendFailed, $"The archive cannot be unpacked into {directory}. {e.Message} What came before is there.", innerException: e);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new ExecutorException(ErrorCode.StorageFailed, $"An archive cannot be unpacked into {directory}: {e.Message} Check permissions and free space. What came before is there.", innerException: e);
        }
    }

    private async Task AddAsync(TarEntry entry, TarReader reader, CancellationToken cancellationToken)
    {
        _entries++;
        var path = Components(entry, entry.Name);
        if (entry.Type is EntryType.CharacterDevice or EntryType.BlockDevice or EntryType.Fifo) throw Refused(entry, "it is a device or a named pipe");
        if (path.Length == 0)
        {
            if (entry.Type != EntryType.Directory) throw Refused(entry, "it would replace the directory itself");
            return;
        }

        if (entry.Type == EntryType.Directory)
        {
            using var made = Descend(path, entry, create: true)!;
            _directories.Add((path, entry.Attributes));
            return;
        }

        using var parent = Descend(path[..^1], entry, create: true)!;
        var name = path[^1];
        if (entry.Type == EntryType.HardLink)
        {
            Link(entry, parent, name);
            return;
        }

        MakeWay(entry, parent, name);
        if (entry.Type == EntryType.SymbolicLink) parent.CreateLink(name, LinkTarget(entry));
        else await WriteAsync(entry, parent, name, reader, cancellationToken);
    }

    private async Task WriteAsync(TarEntry entry, DirectoryHandle parent, string name, TarReader reader, CancellationToken cancellationToken)
    {
        if (entry.Size > _limits.MaxBytes - _bytes) throw new InvalidDataException($"Its files have more than the {_limits.MaxBytes} bytes that are allowed.");
        _bytes += entry.Size;
        var handle = parent.CreateFile(name);
        await using var file = new FileStream(handle, FileAccess.Write, bufferSize: 0);
        await reader.CopyContentAsync(file.WriteAsync, cancellationToken);
        Libc.Check(Libc.ChangeMode(Descriptors.Number(handle), entry.Attributes.Mode & Permissions), $"change the permissions of '{FileName.Show(name)}'");
        DirectoryHandle.SetModified(handle, entry.Attributes.ModifiedSeconds);
    }

    private void Link(TarEntry entry, DirectoryHandle parent, string name)
    {
        var target = Components(entry, entry.LinkName);
        if (target.Length == 0) throw Refused(entry, "it is a hard link to a directory");
        using var directory = Descend(target[..^1], entry, create: false);
        if (directory?.TryStatusOf(target[^1]) is not { } status) throw Refused(entry, $"it is a hard link to '{FileName.Show(entry.LinkName)}', which is not there");
        if (status.Kind is not (FileKind.Regular or FileKind.SymbolicLink)) throw Refused(entry, "it is a hard link to what is not a file");
        if (parent.TryStatusOf(name) is { } existing && existing.Inode == status.Inode && existing.FileSystem == status.FileSystem) return;
        MakeWay(entry, parent, name);
        parent.CreateHardLink(name, directory, target[^1]);
    }

    /// <summary>Removes a former file of the name, so that nothing is ever written through a link to somewhere else.</summary>
    private static void MakeWay(TarEntry entry, DirectoryHandle parent, string name)
    {
        if (parent.TryStatusOf(name) is not { } status) return;
        if (status.IsDirectory) throw Refused(entry, "it would replace a directory");
        parent.Remove(name);
    }

    /// <summary>Opens a directory below the root, one component after the other.</summary>
    private DirectoryHandle? Descend(string[] path, TarEntry entry, bool create)
    {
        var at = _root.OpenDirectory(".");
        try
        {
            foreach (var name in path)
            {
                var status = at.TryStatusOf(name);
                if (status is null && !create)
                {
                    at.Dispose();
                    return null;
                }

                if (status is null) at.CreateDirectory(name);
                else if (!status.Value.IsDirectory) throw Refused(entry, $"'{FileName.Show(name)}' in its path is not a directory");
                var next = at.OpenDirectory(name);
                at.Dispose();
                at = next;
                if (status is null) at.ChangeMode(EntryAttributes.ImpliedDirectory.Mode);
            }

            return at;
        }
        catch
        {
            at.Dispose();
            throw;
        }
    }

    // At the end, since a directory that may not be written can still be filled until then. Its owner can always remove it.
    private void FinishDirectories()
    {
        for (var i = _directories.Count - 1; i >= 0; i--)
        {
            var (path, attributes) = _directories[i];
            using var directory = Descend(path, new TarEntry { Type = EntryType.Directory, Name = string.Join('/', path) }, create: false);
            directory?.ChangeMode((attributes.Mode & Permissions) | OwnerEverything);
            directory?.SetModified(attributes.ModifiedSeconds);
        }
    }

    private string[] Components(TarEntry entry, string name)
    {
        if (name.StartsWith('/')) throw Refused(entry, $"'{FileName.Show(name)}' is an absolute path");

        // Linux takes any bytes, but nobody who handles names as text could read such a file, or remove it.
        if (!Utf8.IsValid(FileName.Encoding.GetBytes(name))) throw Refused(entry, "its name is not UTF-8");
        var parts = FileName.Split(name, keepDotDot: true);
        if (parts.Contains("..")) throw Refused(entry, $"'{FileName.Show(name)}' leads out of the directory");
        if (parts.Count > _limits.MaxDepth) throw Refused(entry, $"it is more than {_limits.MaxDepth} directories deep");
        return parts.Any(p => p.Length > FileName.MaxComponent) ? throw Refused(entry, $"a name in it is longer than {FileName.MaxComponent} bytes") : [.. parts];
    }

    private static string LinkTarget(TarEntry entry) => entry.LinkName.Length > 0 && !entry.LinkName.Contains('\0') ? entry.LinkName : throw Refused(entry, "it is a link to nowhere");

    private static InvalidDataException Refused(TarEntry entry, string why) => new($"The entry '{FileName.Show(entry.Name)}' is refused: {why}.");
}
