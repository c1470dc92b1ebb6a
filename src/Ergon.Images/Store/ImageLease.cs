using Microsoft.Win32.SafeHandles;

namespace Ergon.Images.Store;

/// <summary>A block image in use: nobody removes it, nor does another process, until this is disposed of.</summary>
internal sealed class ImageLease : IDisposable
{
    private readonly SafeFileHandle _lock;

    internal ImageLease(string path, string digest, ImageConfiguration config, SafeFileHandle @lock) =>
        (Path, Digest, Config, _lock) = (path, digest, config, @lock);

    /// <summary>The squashfs image.</summary>
    public string Path { get; }

    /// <summary>The digest of the image's configuration, which names the content of the image.</summary>
    public string Digest { get; }

    public ImageConfiguration Config { get; }

    public void Dispose() => _lock.Dispose();
}
