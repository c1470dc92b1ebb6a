namespace Ergon.Images.Sources;

/// <summary>The files that an image layout consists of, in a directory or in an archive.</summary>
internal interface IImageFiles : IAsyncDisposable
{
    /// <summary>What messages call it.</summary>
    string Path { get; }

    /// <summary>Opens a file; <see langword="null"/> when there is none of that name.</summary>
    Stream? TryOpen(string name);
}

internal static class ImageFilesExtensions
{
    /// <summary>The largest document that is read: a registry refuses larger ones as well.</summary>
    public const int MaxDocument = 8 << 20;

    /// <summary>Reads a small file; <see langword="null"/> when there is none of that name.</summary>
    public static async ValueTask<byte[]?> TryReadAsync(this IImageFiles files, string name, CancellationToken cancellationToken)
    {
        if (files.TryOpen(name) is not { } stream) return null;
        await using (stream) return await ReadDocumentAsync(stream, name, cancellationToken);
    }

    /// <summary>Reads a blob and verifies its digest.</summary>
    public static async ValueTask<byte[]> ReadBlobAsync(this IImageFiles files, string digest, string what, CancellationToken cancellationToken)
    {
        var bytes = await files.TryReadAsync(BlobName(digest, what), cancellationToken) ?? throw new InvalidDataException($"{what} ({digest}) is missing in it.");
        return ContentDigest.Of(bytes) == digest ? bytes : throw new InvalidDataException($"{what} is damaged: it does not have the digest {digest}.");
    }

    public static string BlobName(string? digest, string what) => "blobs/sha256/" + ContentDigest.Hex(ContentDigest.Require(digest, what));

    /// <summary>Reads a whole document, but not one that is too large to be one.</summary>
    public static async ValueTask<byte[]> ReadDocumentAsync(Stream stream, string name, CancellationToken cancellationToken)
    {
        using var bytes = new MemoryStream();
        var buffer = new byte[64 * 1024];
        while (await stream.ReadAsync(buffer, cancellationToken) is > 0 and var read)
        {
            if (bytes.Length + read > MaxDocument) throw new InvalidDataException($"{name} has more than {MaxDocument} bytes, which no such document has.");
            await bytes.WriteAsync(buffer.AsMemory(0, read), cancellationToken);
        }

        return bytes.ToArray();
    }
}
