using System.Runtime.Versioning;
using System.Text;
using System.Text.Json;
using System.Text.Json.Serialization.Metadata;
using Ergon.Linux;
using Microsoft.Extensions.Logging;
using Microsoft.Win32.SafeHandles;

namespace Ergon.Images.Store;

/// <summary>
/// The files of an image store. Everything in it is complete: files are written under <c>tmp</c> and renamed when they are done, and what
/// a process that died left there is removed by the next one. Several processes may use one directory.
/// </summary>
[SupportedOSPlatform("linux")]
internal sealed class ImageCache : IDisposable
{
    private const int MaxOpenAttempts = 16;
    private readonly string _images;
    private readonly string _blobs;
    private readonly string _references;
    private readonly string _locks;
    private readonly OwnedDirectory _temporary;
    private readonly CacheEviction _eviction;
    private readonly TimeProvider _time;
    private long _lastTemporary;

    /// <exception cref="IOException">The directory cannot be used.</exception>
    public ImageCache(string directory, long maxBytes, ILogger logger, TimeProvider time)
    {
        _time = time;
        _images = Create(directory, "images");
        _blobs = Create(directory, "blobs/sha256");
        _references = Create(directory, "references");
        _locks = Create(directory, "locks");
        var temporary = Create(directory, "tmp");
        // Layers are unpacked there, with whatever set-user-id programs an image brings: nobody else may come near them.
        File.SetUnixFileMode(temporary, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute);
        _temporary = Own(temporary);
        _eviction = new CacheEviction(this, _images, _blobs, maxBytes, logger);
        RemoveAbandoned(temporary);
    }

    public string ImagePath(string digest) => Path.Combine(_images, $"sha256-{ContentDigest.Hex(digest)}.squashfs");

    public string BlobPath(string digest) => Path.Combine(_blobs, ContentDigest.Hex(digest));

    /// <summary>A new name for a temporary file, on the same file system as everything else.</summary>
    public string NewTemporary() => Path.Combine(_temporary.Path, $"{Interlocked.Increment(ref _lastTemporary)}");

    /// <summary>The lock that stands for making an image or for removing it.</summary>
    public string LockPath(string digest) => Path.Combine(_locks, ContentDigest.Hex(digest));

    /// <summary>Takes an image that is there into use.</summary>
    public ImageLease? TryLease(string digest)
    {
        var path = ImagePath(digest);
        if (Use(path) is not { } handle) return null;
        if (Read(DescriptionPath(path), StoreJsonContext.Default.StoredImage) is { Format: StoredImage.CurrentFormat } stored && stored.Digest == digest)
            return new ImageLease(path, digest, stored.Configuration, handle);
        handle.Dispose();
        return null;
    }

    /// <summary>Makes a finished temporary file an image, and takes it into use.</summary>
    public ImageLease Commit(string temporary, string digest, ImageConfiguration configuration)
    {
        var path = ImagePath(digest);
        var handle = Use(temporary) ?? throw new IOException($"{temporary} has gone away.");
        try
        {
            Libc.Check(Libc.Synchronise(Descriptors.Number(handle)), $"write {temporary} to disk");
            Write(DescriptionPath(path), new StoredImage { Format = StoredImage.CurrentFormat, Digest = digest, Configuration = configuration }, StoreJsonContext.Default.StoredImage);
            File.Move(temporary, path, overwrite: true);
            return new ImageLease(path, digest, configuration, handle);
        }
        catch
        {
            handle.Dispose();
            throw;
        }
    }

    /// <summary>Opens a blob that is there; nobody removes it while it is open.</summary>
    public SafeFileHandle? TryOpenBlob(string digest) => Use(BlobPath(digest));

    /// <summary>Makes a finished, verified temporary file a blob, and opens it.</summary>
    public SafeFileHandle CommitBlob(string temporary, string digest)
    {
        var handle = Use(temporary) ?? throw new IOException($"{temporary} has gone away.");
        try
        {
            Libc.Check(Libc.Synchronise(Descriptors.Number(handle)), $"write {temporary} to disk");
            File.Move(temporary, BlobPath(digest), overwrite: true);
            return handle;
        }
        catch
        {
            handle.Dispose();
            throw;
        }
    }

    /// <summary>The digest that a name stood for when it was last remembered.</summary>
    public string? Recall(string name) =>
        Read(ReferencePath(name), StoreJsonContext.Default.StoredReference) is { } stored && stored.Name == name && ContentDigest.IsValid(stored.Digest) ? stored.Digest : null;

    public void Remember(string name, string digest) =>
        Write(ReferencePath(name), new StoredReference { Name = name, Digest = digest, At = _time.GetUtcNow() }, StoreJsonContext.Default.StoredReference);

    /// <summary>Removes what was not used for the longest time, until the size is kept to.</summary>
    public void Evict() => _eviction.Run();

    public static string DescriptionPath(string imagePath) => Path.ChangeExtension(imagePath, ".json");

    public void Dispose()
    {
        try
        {
            Files.DirectoryTree.Remove(_temporary.Path);
        }
        catch (IOException)
        {
            // Something is still being written there; the next process removes it.
        }

        _temporary.Dispose();
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

        File.SetLastWriteTimeUtc(handle, _time.GetUtcNow().UtcDateTime);
        return handle;
    }

    private static T? Read<T>(string path, JsonTypeInfo<T> type)
        where T : class
    {
        try
        {
            return JsonSerializer.Deserialize(File.ReadAllBytes(path), type);
        }
        catch (Exception e) when (e is FileNotFoundException or DirectoryNotFoundException or JsonException)
        {
            // What cannot be read is made again.
            return null;
        }
    }

    private void Write<T>(string path, T value, JsonTypeInfo<T> type)
    {
        var temporary = NewTemporary();
        File.WriteAllBytes(temporary, JsonSerializer.SerializeToUtf8Bytes(value, type));
        File.Move(temporary, path, overwrite: true);
    }

    private string ReferencePath(string name) => Path.Combine(_references, ContentDigest.Hex(ContentDigest.Of(Encoding.UTF8.GetBytes(name))) + ".json");

    private static string Create(string directory, string name) => Directory.CreateDirectory(Path.Combine(directory, name)).FullName;

    private static OwnedDirectory Own(string parent)
    {
        for (var attempt = 1; ; attempt++)
        {
            try
            {
                return OwnedDirectory.Make(Path.Combine(parent, Guid.NewGuid().ToString("n")));
            }
            catch (DirectoryNotFoundException) when (attempt < MaxOpenAttempts)
            {
                // Another process took it for abandoned, in the moment before it was locked.
            }
        }
    }

    private static void RemoveAbandoned(string temporary)
    {
        foreach (var directory in Directory.EnumerateDirectories(temporary))
        {
            using var taken = OwnedDirectory.TakeAbandoned(directory);
            if (taken is not null) Files.DirectoryTree.Remove(directory);
        }
    }
}
