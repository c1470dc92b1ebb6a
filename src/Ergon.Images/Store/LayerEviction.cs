using System.Runtime.Versioning;
using Ergon.Images.Files;
using Ergon.Linux;
using Microsoft.Extensions.Logging;

namespace Ergon.Images.Store;

/// <summary>Keeps the layers to their size: the image that was not used for the longest time goes first, and with it the layers that no other has.</summary>
[SupportedOSPlatform("linux")]
internal sealed class LayerEviction(LayerStore store, ImageCache cache, long maxBytes, ILogger logger)
{
    public void Run()
    {
        if (Total() <= maxBytes) return;
        RemoveUnused();
        foreach (var (path, _) in store.Images().OrderBy(i => i.Used))
        {
            if (Total() <= maxBytes) return;
            if (TryForget(path)) RemoveUnused();
        }
    }

    private long Total() => store.Layers().Sum(l => l.Bytes);

    private static bool TryForget(string image)
    {
        try
        {
            using var handle = Descriptors.Open(image, Libc.ReadOnly);
            if (!FileLock.TryLock(handle, Libc.LockExclusive)) return false;
            File.Delete(image);
            return true;
        }
        catch (LinuxException e) when (e.Errno == Errno.NoEntry)
        {
            return false;
        }
    }

    private void RemoveUnused()
    {
        var used = UsedLayers();
        foreach (var layer in store.Layers().Where(l => !used.Contains(l.DiffId))) TryRemove(layer);
    }

    private HashSet<string> UsedLayers() => [.. store.Images().Select(i => LayerStore.ReadImage(i.Path)).OfType<StoredLayers>().SelectMany(i => i.DiffIds)];

    private void TryRemove(StoredLayer layer)
    {
        var path = store.PathOf(layer.DiffId);
        try
        {
            using var making = FileLock.TryTake(cache.LockPath(layer.DiffId));
            if (making is null) return;
            using var handle = Descriptors.Open(path, Libc.ReadOnly);
            if (!FileLock.TryLock(handle, Libc.LockExclusive)) return;

            // Nobody can add it to an image from here on, but somebody may have until now.
            if (UsedLayers().Contains(layer.DiffId)) return;
            var doomed = cache.NewTemporary();
            File.Delete(LayerStore.DescriptionOf(path));
            Directory.Move(path, doomed);
            DirectoryTree.Remove(doomed);
            logger.Evicted(path, layer.Bytes);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            logger.EvictionFailed(path, e);
        }
    }
}
