using System.Formats.Tar;
using System.IO.Compression;
using System.Text;
using ZstdSharp;

namespace Ergon.Images.Tests;

/// <summary>A layer that a test writes, with the framework's own tar writer.</summary>
internal sealed class Layer
{
    private readonly MemoryStream _tar = new();

    public string MediaTypeSuffix { get; private set; } = "";

    private Func<byte[], byte[]> Compress { get; set; } = static b => b;

    public Layer File(string name, string content = "", int mode = 0b110_100_100, int uid = 0, int gid = 0, IDictionary<string, string>? pax = null) =>
        Add(new PaxTarEntry(TarEntryType.RegularFile, name, pax ?? new Dictionary<string, string>())
        {
            DataStream = new MemoryStream(Encoding.UTF8.GetBytes(content)),
            Mode = (UnixFileMode)mode,
            Uid = uid,
            Gid = gid,
        });

    public Layer Directory(string name, int mode = 0b111_101_101, int uid = 0) => Add(new PaxTarEntry(TarEntryType.Directory, name) { Mode = (UnixFileMode)mode, Uid = uid });

    public Layer Link(string name, string target) => Add(new PaxTarEntry(TarEntryType.SymbolicLink, name) { LinkName = target });

    public Layer HardLink(string name, string target) => Add(new PaxTarEntry(TarEntryType.HardLink, name) { LinkName = target });

    public Layer Hide(string name) => File(name);

    public Layer Add(TarEntry entry)
    {
        using var one = new MemoryStream();
        entry.ModificationTime = DateTimeOffset.FromUnixTimeSeconds(1_600_000_000);
        using (var writer = new TarWriter(one, leaveOpen: true)) writer.WriteEntry(entry);

        // Without the two blocks that end an archive.
        _tar.Write(one.GetBuffer().AsSpan(0, (int)one.Length - 1024));
        return this;
    }

    /// <summary>Adds bytes that the framework's writer would not write.</summary>
    public Layer Raw(byte[] bytes)
    {
        _tar.Write(bytes);
        return this;
    }

    /// <summary>Changes the compressed bytes.</summary>
    public Layer Damage(Func<byte[], byte[]> damage)
    {
        var compress = Compress;
        Compress = bytes => damage(compress(bytes));
        return this;
    }

    public Layer Gzip()
    {
        MediaTypeSuffix = "+gzip";
        Compress = static bytes =>
        {
            using var result = new MemoryStream();
            using (var gzip = new GZipStream(result, CompressionLevel.Fastest, leaveOpen: true)) gzip.Write(bytes);
            return result.ToArray();
        };
        return this;
    }

    public Layer Zstd()
    {
        MediaTypeSuffix = "+zstd";
        Compress = static bytes =>
        {
            using var result = new MemoryStream();
            using (var zstd = new CompressionStream(result, 1, leaveOpen: true)) zstd.Write(bytes);
            return result.ToArray();
        };
        return this;
    }

    public byte[] Tar() => [.. _tar.ToArray(), .. new byte[1024]];

    public byte[] Blob() => Compress(Tar());
}
