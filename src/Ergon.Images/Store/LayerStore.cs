using System.Collections.Concurrent;
using System.Runtime.Versioning;
using System.Text.Json;
using Ergon.Images.Files;
using Ergon.Images.Layers;
using Ergon.Images.Sources;
using Ergon.Linux;
using Microsoft.Extensions.Logging;
using Microsoft.Win32.SafeHandles;

namespace Ergon.Images.Store;

/// <summary>
/// Images as stacks of directories for overlayfs, one directory for each layer, whichever images have it. Several processes may use one
/// store: a layer is unpacked beside the store and moved in when it is complete.
/// </summary>
/// <remarks>
/// Who uses an image holds a shared lock on the image's own file, and who is putting an image together one on each layer that it has found.
/// Whoever removes something must hold it alone, and removes a layer only when no image has it.
/// </remarks>
[SupportedOSPlatform("linux")]
internal sealed class LayerStore
{
    private readonly ImageCache _cache;
    private readonly string _layers;
    private readonly string _images;
    private readonly long _maxImageBytes;
    private readonly LayerEviction _eviction;
    private readonly TimeProvider _time;
    private readonly ConcurrentDictionary<string, StoredLayers> _known = new();

    /// <exception cref="IOException">The directory cannot be used.</exception>
    public LayerStore(ImageCache cache, ImageStoreOptions options, ILogger logger, TimeProvider time)
    {
        (_cache, _time, _maxImageBytes) = (cache, time, options.MaxImageBytes);
        _layers = Directory.CreateDirectory(Path.Combine(options.Directory, "layers"), UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute).FullName;
        _images = Directory.CreateDirectory(Path.Combine(options.Directory, "layered")).FullName;
        _eviction = new LayerEviction(this, cache, options.MaxBytes, logger);
    }

    /// <summary>The descriptions of all images, with when each was last used.</summary>
    public IEnumerable<(string Path, DateTime Used)> Images() =>
        new DirectoryInfo(_images).EnumerateFiles("*.json").Select(f => (f.FullName, f.LastWriteTimeUtc)).ToList();

    /// <summary>The descriptions of all complete layers.</summary>
    public IEnumerable<StoredLayer> Layers() =>
        [.. Directory.EnumerateFiles(_layers, "*.json").Select(path => Read(path, StoreJsonContext.Default.StoredLayer)).OfType<StoredLayer>()];

    public static StoredLayers? ReadImage(string path) => Read(path, StoreJsonContext.Default.StoredLayers);

    /// <summary>The directory of a layer: overlayfs takes a page of text for all of an image, so that not the whole digest is in it.</summary>
    public string PathOf(string diffId) => Path.Combine(_layers, ContentDigest.Hex(diffId)[..24]);

    public static string DescriptionOf(string layer) => layer + ".json";

    /// <summary>Takes an image that is there into use.</summary>
    public ImageLease? TryLease(string digest)
    {
        var path = ImagePath(digest);
        if (Use(path) is not { } handle) return null;
        if (!_known.TryGetValue(digest, out var image) && ReadImage(path) is { } stored && stored.Digest == digest) image = _known[digest] = stored;
        if (image is not null && image.DiffIds.All(id => Directory.Exists(PathOf(id)))) return Lease(path, image, handle);
        handle.Dispose();
        return null;
    }

    /// <summary>Has every layer of an image here, and takes it into use.</summary>
    /// <exception cref="InvalidDataException">A layer is damaged, or would do harm.</exception>
    public async Task<ImageLease> MakeAsync(ImageContent content, string step, Action<PrepareProgress> report, CancellationToken cancellationToken)
    {
        var inUse = new SafeFileHandle?[content.Layers.Count];
        try
        {
            for (var i = 0; i < inUse.Length; i++) inUse[i] = TryUse(content.Layers[i].DiffId);
            if (inUse.Contains(null)) await content.FetchAsync(report, cancellationToken);
            var options = new ParallelOptions { CancellationToken = cancellationToken, MaxDegreeOfParallelism = Environment.ProcessorCount };
            await Parallel.ForAsync(0, inUse.Length, options, async (i, token) => inUse[i] ??= await UnpackAsync(content.Layers[i], step, report, token));
            var image = new StoredLayers { Digest = content.Digest, Configuration = content.Configuration, DiffIds = [.. content.Layers.Select(l => l.DiffId)] };
            return Commit(image);
        }
        finally
        {
            foreach (var handle in inUse) handle?.Dispose();
        }
    }

    public void Evict() => _eviction.Run();

    private ImageLease Commit(StoredLayers image)
    {
        var (path, temporary) = (ImagePath(image.Digest), _cache.NewTemporary());
        File.WriteAllBytes(temporary, JsonSerializer.SerializeToUtf8Bytes(image, StoreJsonContext.Default.StoredLayers));
        var handle = Use(temporary) ?? throw new IOException($"{temporary} has gone away.");
        File.Move(temporary, path, overwrite: true);
        _known[image.Digest] = image;
        return Lease(path, image, handle);
    }

    // overlayfs takes no directory twice. Of a layer that an image has twice, the upper one covers all of the lower one.
    private ImageLease Lease(string path, StoredLayers image, SafeFileHandle handle) =>
        new(path, image.Digest, image.Configuration, handle) { Layers = [.. image.DiffIds.Reverse().Distinct().Select(PathOf)] };

    private async Task<SafeFileHandle> UnpackAsync(ImageLayer layer, string step, Action<PrepareProgress> report, CancellationToken cancellationToken)
    {
        // Others may unpack the same layer for another image, or in another process; and an image may have a layer twice.
        using var making = await FileLock.TakeAsync(_cache.LockPath(layer.DiffId), cancellationToken);
        if (TryUse(layer.DiffId) is { } made) return made;
        report(new PrepareProgress(step, layer.Name, "Unpacking"));
        var temporary = _cache.NewTemporary();
        Directory.CreateDirectory(temporary);
        SafeFileHandle? handle = null;
        try
        {
            var bytes = await LayerDirectory.UnpackAsync(layer, temporary, _maxImageBytes, Throttle(step, layer.Name, report), cancellationToken);
            handle = Use(temporary) ?? throw new IOException($"{temporary} has gone away.");
            Libc.Check(Libc.SynchroniseAll(Descriptors.Number(handle)), $"write {temporary} to disk");
            Complete(temporary, new StoredLayer { Format = StoredLayer.CurrentFormat, DiffId = layer.DiffId, Bytes = bytes });
            return handle;
        }
        catch
        {
            handle?.Dispose();
            DirectoryTree.Remove(temporary);
            throw;
        }
    }

    private void Complete(string temporary, StoredLayer layer)
    {
        var path = PathOf(layer.DiffId);

        // What is there without a description, or with another, is not complete, or not this layer.
        File.Delete(DescriptionOf(path));
        DirectoryTree.Remove(path);
        Directory.Move(temporary, path);
        var description = _cache.NewTemporary();
        File.WriteAllBytes(description, JsonSerializer.SerializeToUtf8Bytes(layer, StoreJsonContext.Default.StoredLayer));
        File.Move(description, DescriptionOf(path), overwrite: true);
    }

    private SafeFileHandle? TryUse(string diffId)
    {
        var path = PathOf(diffId);
        if (Use(path) is not { } handle) return null;
        if (Read(DescriptionOf(path), StoreJsonContext.Default.StoredLayer) is { Format: StoredLayer.CurrentFormat } stored && stored.DiffId == diffId) return handle;
        handle.Dispose();
        return null;
    }

    private SafeFileHandle? Use(string path)
    {
        SafeFileHandle handle;
        try
        {
            handle = Descriptors.Open(path, Libc.ReadOnly);
        }
        catch (LinuxException e) when (e.Errno == Errno.NoEntry)
        {
            return null;
        }

        // Who holds it exclusively is about to remove it.
        if (!FileLock.TryLock(handle, Libc.LockShared) || FileStatus.Of(handle).Links == 0)
        {
            handle.Dispose();
            return null;
        }

        DirectoryHandle.SetModified(handle, _time.GetUtcNow().ToUnixTimeSeconds());
        return handle;
    }

    private string ImagePath(string digest) => Path.Combine(_images, ContentDigest.Hex(digest) + ".json");

    private static T? Read<T>(string path, System.Text.Json.Serialization.Metadata.JsonTypeInfo<T> type)
        where T : class
    {
        try
        {
            return JsonSerializer.Deserialize(File.ReadAllBytes(path), type);
        }
        catch (Exception e) when (e is FileNotFoundException or DirectoryNotFoundException or JsonException)
        {
            return null;
        }
    }

    private static Action<long> Throttle(string step, string layer, Action<PrepareProgress> report)
    {
        var next = 0L;
        return written =>
        {
            if (written < next) return;
            next = written + (1 << 20);
            report(new PrepareProgress(step, layer, "Unpacking", written));
        };
    }
}
