using System.Runtime.Versioning;
using Ergon.Images.Sources;
using Ergon.Images.Store;
using Ergon.Linux;
using Microsoft.Win32.SafeHandles;

namespace Ergon.Images.Registry;

/// <summary>Images of registries. Their layers are kept as they come, for the next image that shares them.</summary>
[SupportedOSPlatform("linux")]
internal sealed class RegistryImages(RegistryClient client, ImageCache cache, long maxBytes)
{
    private const int MaxLayers = 1000;
    private const int MaxParallelDownloads = 4;
    private const long ReportEvery = 1 << 20;

    /// <summary>Finds an image. Its layers are read only when they are fetched.</summary>
    /// <exception cref="ExecutorException">It cannot be had.</exception>
    /// <exception cref="InvalidDataException">It is damaged.</exception>
    public async Task<ImageContent> OpenAsync(ImageReference reference, Platform platform, CancellationToken cancellationToken)
    {
        var version = reference.Version;
        for (var depth = 0; depth < ManifestChoice.MaxDepth; depth++)
        {
            var bytes = await client.ReadManifestAsync(reference, version, cancellationToken);
            var manifest = ImageJsonContext.Read(bytes, ImageJsonContext.Default.Manifest, "Its manifest");
            if (!ManifestChoice.IsIndex(manifest)) return await OpenAsync(reference, manifest, platform, cancellationToken);
            version = ContentDigest.Require(ManifestChoice.Choose(manifest.Manifests!, platform, reference.ToString()).Digest, "a manifest");
        }

        throw new InvalidDataException($"Its indexes lie more than {ManifestChoice.MaxDepth} deep in each other.");
    }

    private async Task<ImageContent> OpenAsync(ImageReference reference, Manifest manifest, Platform platform, CancellationToken cancellationToken)
    {
        if (manifest.Layers!.Count > MaxLayers) throw new InvalidDataException($"It has more than {MaxLayers} layers.");
        var configuration = await client.ReadBlobAsync(reference, ContentDigest.Require(manifest.Config!.Digest, "the image's configuration"), cancellationToken);
        var total = 0L;
        foreach (var layer in manifest.Layers)
        {
            ContentDigest.Require(layer?.Digest, "a layer");
            if (layer!.Size <= 0) throw new InvalidDataException($"The layer {layer.Digest} has no size in the manifest.");
            if (layer.Size > maxBytes - total) throw new InvalidDataException($"Its layers have more than {maxBytes} bytes.");
            total += layer.Size;
        }

        var blobs = new Blobs();
        var layers = manifest.Layers.Select(l => new LayerSource(l.Digest!, _ => new(blobs.Open(l.Digest!))));
        var content = ImageContent.Create(configuration, [.. layers], blobs, (report, token) => FetchAsync(reference, manifest.Layers, blobs, report, token));
        content.Require(platform, reference.ToString());
        return content;
    }

    private async Task FetchAsync(ImageReference reference, IReadOnlyList<Descriptor> layers, Blobs blobs, Action<PrepareProgress> report, CancellationToken cancellationToken)
    {
        var step = $"pulling {reference}";
        report(new PrepareProgress(step));
        var options = new ParallelOptions { CancellationToken = cancellationToken, MaxDegreeOfParallelism = MaxParallelDownloads };
        await Parallel.ForEachAsync(layers.DistinctBy(l => l.Digest), options, async (layer, token) =>
            blobs.Add(layer.Digest!, await FetchAsync(reference, layer, step, report, token)));
    }

    private async Task<SafeFileHandle> FetchAsync(ImageReference reference, Descriptor layer, string step, Action<PrepareProgress> report, CancellationToken cancellationToken)
    {
        var (digest, item, total) = (layer.Digest!, ContentDigest.Short(layer.Digest!), layer.Size);

        // Another image may be fetching the same layer, in this process or another one.
        using var fetching = await FileLock.TakeAsync(cache.LockPath(digest), cancellationToken);
        if (cache.TryOpenBlob(digest) is { } known)
        {
            report(new PrepareProgress(step, item, "Already exists"));
            return known;
        }

        var (temporary, next) = (cache.NewTemporary(), 0L);
        report(new PrepareProgress(step, item, "Downloading", 0, total));
        try
        {
            await client.DownloadBlobAsync(reference, layer, temporary, Progress, cancellationToken);
            var handle = cache.CommitBlob(temporary, digest);
            report(new PrepareProgress(step, item, "Download complete", total, total));
            return handle;
        }
        finally
        {
            File.Delete(temporary);
        }

        void Progress(long written)
        {
            if (written < next && written >= ReportEvery) return;
            next = written + ReportEvery;
            report(new PrepareProgress(step, item, "Downloading", written, total));
        }
    }

    /// <summary>The layers that are here. Nobody removes them while they are open.</summary>
    private sealed class Blobs : IAsyncDisposable
    {
        private readonly Dictionary<string, SafeFileHandle> _handles = new(StringComparer.Ordinal);

        public void Add(string digest, SafeFileHandle handle)
        {
            lock (_handles) _handles.Add(digest, handle);
        }

        public Stream Open(string digest)
        {
            lock (_handles) return new HandleStream(_handles[digest], 0, RandomAccess.GetLength(_handles[digest]));
        }

        public ValueTask DisposeAsync()
        {
            foreach (var handle in _handles.Values) handle.Dispose();
            return ValueTask.CompletedTask;
        }
    }
}
