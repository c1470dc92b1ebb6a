using System.IO.Compression;
using ZstdSharp;

namespace Ergon.Images.Layers;

/// <summary>Recognises compression by the first bytes, as container engines do: what media types say is often wrong.</summary>
internal static class Compression
{
    private const int LongestMagic = 6;

    /// <summary>The stream's content, decompressed. The result owns the stream.</summary>
    /// <exception cref="InvalidDataException">It is compressed in a way that is not supported.</exception>
    public static async ValueTask<Stream> DecompressAsync(Stream stream, CancellationToken cancellationToken)
    {
        try
        {
            var first = new byte[LongestMagic];
            var count = await stream.ReadAtLeastAsync(first, first.Length, throwOnEndOfStream: false, cancellationToken);
            var whole = new PrefixedStream(first.AsMemory(0, count), stream);
            return Recognise(first.AsSpan(0, count)) switch
            {
                null => whole,
                "gzip" => new CompleteStream(new GZipStream(whole, CompressionMode.Decompress)),
                "zstd" => new CompleteStream(new DecompressionStream(whole, leaveOpen: false)),
                var other => throw new InvalidDataException($"It is compressed with {other}; gzip and zstd are supported."),
            };
        }
        catch
        {
            await stream.DisposeAsync();
            throw;
        }
    }

    public static string? Recognise(ReadOnlySpan<byte> first) => first switch
    {
        [0x1F, 0x8B, 8, ..] => "gzip",
        [0x28, 0xB5, 0x2F, 0xFD, ..] => "zstd",
        [0xFD, (byte)'7', (byte)'z', (byte)'X', (byte)'Z', 0, ..] => "xz",
        [(byte)'B', (byte)'Z', (byte)'h', >= (byte)'1' and <= (byte)'9', 0x31, 0x41, ..] => "bzip2",
        _ => null,
    };

    /// <summary>The bytes that were read ahead, and then the rest.</summary>
    private sealed class PrefixedStream(ReadOnlyMemory<byte> prefix, Stream rest) : ReadOnlyStream
    {
        private ReadOnlyMemory<byte> _prefix = prefix;

        public override int Read(Span<byte> buffer) => _prefix.IsEmpty ? rest.Read(buffer) : TakePrefix(buffer);

        public override ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default) =>
            _prefix.IsEmpty ? rest.ReadAsync(buffer, cancellationToken) : new(TakePrefix(buffer.Span));

        protected override void Dispose(bool disposing)
        {
            if (disposing) rest.Dispose();
            base.Dispose(disposing);
        }

        private int TakePrefix(Span<byte> buffer)
        {
            var count = Math.Min(buffer.Length, _prefix.Length);
            _prefix.Span[..count].CopyTo(buffer);
            _prefix = _prefix[count..];
            return count;
        }
    }

    /// <summary>Tells in one way that compressed data is damaged or cut off.</summary>
    private sealed class CompleteStream(Stream inner) : ReadOnlyStream
    {
        public override int Read(Span<byte> buffer)
        {
            try
            {
                return inner.Read(buffer);
            }
            catch (Exception e) when (e is ZstdException or EndOfStreamException)
            {
                throw Damaged(e);
            }
        }

        public override async ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default)
        {
            try
            {
                return await inner.ReadAsync(buffer, cancellationToken);
            }
            catch (Exception e) when (e is ZstdException or EndOfStreamException)
            {
                throw Damaged(e);
            }
        }

        protected override void Dispose(bool disposing)
        {
            if (disposing) inner.Dispose();
            base.Dispose(disposing);
        }

        private static InvalidDataException Damaged(Exception e) => new($"Its compressed data is damaged or cut off: {e.Message}", e);
    }
}
