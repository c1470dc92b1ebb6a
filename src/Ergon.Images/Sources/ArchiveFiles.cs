using Ergon.Images.Layers;
using Ergon.Images.Tar;
using Microsoft.Win32.SafeHandles;

namespace Ergon.Images.Sources;

/// <summary>The files of a tar archive on disk. Only where they are is held in memory.</summary>
internal sealed class ArchiveFiles : IImageFiles
{
    private const int MaxLinks = 16;

    private readonly SafeFileHandle _handle;
    private readonly Action? _delete;
    private readonly Dictionary<string, (long Offset, long Size, string? Link)> _entries;

    private ArchiveFiles(string path, SafeFileHandle handle, Dictionary<string, (long, long, string?)> entries, Action? delete) =>
        (Path, _handle, _entries, _delete) = (path, handle, entries, delete);

    public string Path { get; }

    /// <summary>Reads the names of an archive.</summary>
    /// <param name="path">What messages call it.</param>
    /// <param name="handle">The open file, which is owned from now on.</param>
    /// <param name="temporary">Makes the name of a temporary file for an archive that is compressed as a whole.</param>
    /// <param name="maxBytes">How large such a temporary file may become.</param>
    /// <param name="cancellationToken">Ends the reading.</param>
    public static async Task<ArchiveFiles> OpenAsync(string path, SafeFileHandle handle, Func<string> temporary, long maxBytes, CancellationToken cancellationToken)
    {
        Action? delete = null;
        try
        {
            var first = new byte[8];
            var count = await RandomAccess.ReadAsync(handle, first, 0, cancellationToken);
            if (Compression.Recognise(first.AsSpan(0, count)) is not null)
            {
                var plain = temporary();
                delete = () => File.Delete(plain);
                var compressed = handle;
                handle = await DecompressAsync(compressed, plain, maxBytes, cancellationToken);
                compressed.Dispose();
            }

            return new ArchiveFiles(path, handle, await IndexAsync(handle, cancellationToken), delete);
        }
        catch
        {
            handle.Dispose();
            delete?.Invoke();
            throw;
        }
    }

    public Stream? TryOpen(string name)
    {
        // Older engines wrote a layer that several images share once, and links to it.
        for (var links = 0; links < MaxLinks && _entries.TryGetValue(name, out var entry); links++)
        {
            if (entry.Link is null) return new HandleStream(_handle, entry.Offset, entry.Size);
            name = entry.Link;
        }

        return null;
    }

    public ValueTask DisposeAsync()
    {
        _handle.Dispose();
        _delete?.Invoke();
        return ValueTask.CompletedTask;
    }

    private static async Task<SafeFileHandle> DecompressAsync(SafeFileHandle handle, string path, long maxBytes, CancellationToken cancellationToken)
    {
        await using var content = await Compression.DecompressAsync(new HandleStream(handle, 0, RandomAccess.GetLength(handle)), cancellationToken);
        await using (var plain = new FileStream(path, FileMode.CreateNew, FileAccess.Write, FileShare.Read, bufferSize: 0))
        {
            var (buffer, total) = (new byte[256 * 1024], 0L);
            while (await content.ReadAsync(buffer, cancellationToken) is > 0 and var read)
            {
                if ((total += read) > maxBytes) throw new InvalidDataException($"Decompressed it has more than {maxBytes} bytes.");
                await plain.WriteAsync(buffer.AsMemory(0, read), cancellationToken);
            }
        }

        return File.OpenHandle(path);
    }

    private static async Task<Dictionary<string, (long Offset, long Size, string? Link)>> IndexAsync(SafeFileHandle handle, CancellationToken cancellationToken)
    {
        Dictionary<string, (long, long, string?)> entries = new(StringComparer.Ordinal);
        using var reader = new TarReader(new HandleStream(handle, 0, RandomAccess.GetLength(handle)), TarLimits.ForImages with { MaxEntries = 100_000 });
        while (await reader.NextAsync(cancellationToken) is { } entry)
        {
            var name = string.Join('/', FileName.Split(entry.Name));
            switch (entry.Type)
            {
                case EntryType.File: entries[name] = (reader.Position, entry.Size, null); break;
                case EntryType.HardLink: entries[name] = (0, 0, string.Join('/', FileName.Split(entry.LinkName))); break;
                case EntryType.SymbolicLink: entries[name] = (0, 0, string.Join('/', FileName.Split($"{name}/../{entry.LinkName}"))); break;
                default: break;
            }
        }

        return entries;
    }
}
