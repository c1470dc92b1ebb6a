using System.Security.Cryptography;

namespace Ergon.Images.Layers;

/// <summary>Hashes what is read through it. It owns the stream below.</summary>
internal sealed class HashingStream(Stream inner) : ReadOnlyStream
{
    private readonly IncrementalHash _hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);

    /// <summary>How much has been read.</summary>
    public long Count { get; private set; }

    /// <summary>The digest of everything that has been read so far.</summary>
    public string Digest => ContentDigest.Format(_hash.GetCurrentHash());

    public override int Read(Span<byte> buffer) => Add(buffer, inner.Read(buffer));

    public override async ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default)
    {
        var read = await inner.ReadAsync(buffer, cancellationToken);
        return Add(buffer.Span, read);
    }

    protected override void Dispose(bool disposing)
    {
        if (disposing)
        {
            inner.Dispose();
            _hash.Dispose();
        }

        base.Dispose(disposing);
    }

    private int Add(ReadOnlySpan<byte> buffer, int read)
    {
        _hash.AppendData(buffer[..read]);
        Count += read;
        return read;
    }
}
