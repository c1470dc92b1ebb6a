using Microsoft.Win32.SafeHandles;

namespace Ergon.Linux;

/// <summary>
/// A cgroup directory that this process holds a lock on. The kernel lets go of the lock when the process ends in any way; whoever can
/// take it then knows that nobody will remove the directory any more.
/// </summary>
internal sealed class OwnedDirectory : IDisposable
{
    private const int Shared = 1;
    private const int Exclusive = 2;
    private const int DoNotWait = 4;

    private readonly SafeFileHandle _lock;

    private OwnedDirectory(string path, SafeFileHandle @lock) => (Path, _lock) = (path, @lock);

    public string Path { get; }

    /// <summary>Makes the directory, if it is missing, and owns it.</summary>
    /// <exception cref="DirectoryNotFoundException">Somebody removed it, or a directory above it, at the same moment. Try again.</exception>
    public static OwnedDirectory Make(string path)
    {
        Directory.CreateDirectory(path);
        SafeFileHandle handle;
        try
        {
            handle = Descriptors.Open(path, Libc.ReadOnly);
        }
        catch (LinuxException e) when (e.Errno == Errno.NoEntry)
        {
            throw new DirectoryNotFoundException(e.Message, e);
        }

        // Whoever holds it exclusively is about to remove an abandoned directory, which takes no time.
        if (Libc.Lock(Descriptors.Number(handle), Shared) == 0 && Directory.Exists(path)) return new OwnedDirectory(path, handle);
        handle.Dispose();
        throw new DirectoryNotFoundException($"{path} was removed as it was made.");
    }

    /// <summary>Takes a directory that nobody owns; <see langword="null"/> when somebody does, or it is gone.</summary>
    public static OwnedDirectory? TakeAbandoned(string path)
    {
        try
        {
            var handle = Descriptors.Open(path, Libc.ReadOnly);
            if (Libc.Lock(Descriptors.Number(handle), Exclusive | DoNotWait) == 0) return new OwnedDirectory(path, handle);
            handle.Dispose();
            return null;
        }
        catch (LinuxException)
        {
            return null;
        }
    }

    public void Dispose() => _lock.Dispose();
}
