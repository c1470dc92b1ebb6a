using System.Runtime.Versioning;
using Ergon.Linux;
using Microsoft.Extensions.Logging;

namespace Ergon.Images.Store;

/// <summary>Keeps a cache to its size: what was not used for the longest time goes first, and what is in use stays.</summary>
[SupportedOSPlatform("linux")]
internal sealed class CacheEviction(ImageCache cache, string images, string blobs, long maxBytes, ILogger logger)
{
    public void Run()
    {
        var files = Files(images, "sha256-*.squashfs").Concat(Files(blobs, "*")).OrderBy(f => f.Used).ToList();
        var total = files.Sum(f => f.Length);
        foreach (var file in files)
        {
            if (total <= maxBytes) return;
            if (TryRemove(file)) total -= file.Length;
        }
    }

    private static IEnumerable<CachedFile> Files(string directory, string pattern) =>
        new DirectoryInfo(directory).EnumerateFiles(pattern).Select(f => Describe(f)).OfType<CachedFile>();

    private static CachedFile? Describe(FileInfo file)
    {
        try
        {
            return new CachedFile(file.FullName, file.Length, file.LastWriteTimeUtc);
        }
        catch (FileNotFoundException)
        {
            // Another process was faster.
            return null;
        }
    }

    private bool TryRemove(CachedFile file)
    {
        try
        {
            var isImage = file.Path.EndsWith(".squashfs", StringComparison.Ordinal);
            var hex = isImage ? Path.GetFileNameWithoutExtension(file.Path)["sha256-".Length..] : Path.GetFileName(file.Path);
            if (!ContentDigest.IsValid("sha256:" + hex)) return false;

            // Who is making this very image now has written its description already.
            using var making = FileLock.TryTake(cache.LockPath("sha256:" + hex));
            if (making is null) return false;
            using var handle = Descriptors.Open(file.Path, Libc.ReadOnly);
            if (!FileLock.TryLock(handle, Libc.LockExclusive)) return false;
            File.Delete(file.Path);
            if (isImage) File.Delete(ImageCache.DescriptionPath(file.Path));
            logger.Evicted(file.Path, file.Length);
            return true;
        }
        catch (LinuxException e) when (e.Errno == Errno.NoEntry)
        {
            return true;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            logger.EvictionFailed(file.Path, e);
            return false;
        }
    }

    private sealed record CachedFile(string Path, long Length, DateTime Used);
}
