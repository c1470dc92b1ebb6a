using Microsoft.Win32.SafeHandles;

namespace Ergon.Images.Store;

/// <summary>An image in use: nobody removes it, nor does another process, until this is disposed of.</summary>
internal sealed class ImageLease : IDisposable
{
    private readonly SafeFileHandle _lock;

    internal ImageLease(string path, string digest, ImageConfiguration config, SafeFileHandle @lock) =>
        (Path, Digest, Config, _lock) = (path, digest, config, @lock);

    /// <summary>The squashfs image, or the file that stands for an image of layers.</summary>
    public string Path { get; }

    /// <summary>The directories of the layers, the topmost first; empty for a block image.</summary>
    public IReadOnlyList<string> Layers { get; init; } = [];

    /// <summary>The descriptor that keeps it in use, as does every copy of it in another process.</summary>
    public SafeFileHandle Lock => _lock;

    /// <summary>The digest of the image's configuration, which names the content of the image.</summary>
    public string Digest { get; }

    public ImageConfiguration Config { get; }

    /// <summary>The same image in use once more.</summary>
    [System.Runtime.Versioning.SupportedOSPlatform("linux")]
    public ImageLease Copy() => new(Path, Digest, Config, Linux.Descriptors.DuplicateHigh(Linux.Descriptors.Number(_lock))) { Layers = Layers };

    public void Dispose() => _lock.Dispose();
}
