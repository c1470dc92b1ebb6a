using System.Runtime.InteropServices;
using System.Text;
using Microsoft.Win32.SafeHandles;

namespace Ergon.Linux;

/// <summary>A lock between processes, and between tasks of one: a file that its holder has locked. The kernel lets go of it when the process ends in any way.</summary>
internal sealed class FileLock : IDisposable
{
    private const uint OwnerOnly = 0x180;

    private readonly string _path;
    private readonly SafeFileHandle _handle;

    private FileLock(string path, SafeFileHandle handle) => (_path, _handle) = (path, handle);

    /// <summary>Takes the lock, or waits until it is free.</summary>
    public static async Task<FileLock> TakeAsync(string path, CancellationToken cancellationToken)
    {
        while (true)
        {
            var handle = Open(path);
            if (!TryLock(handle, Libc.LockExclusive)) await WaitAsync(handle, cancellationToken);
            if (IsCurrent(handle)) return new FileLock(path, handle);
            handle.Dispose();
        }
    }

    /// <summary>Takes the lock if it is free.</summary>
    public static FileLock? TryTake(string path)
    {
        var handle = Open(path);
        if (TryLock(handle, Libc.LockExclusive) && IsCurrent(handle)) return new FileLock(path, handle);
        handle.Dispose();
        return null;
    }

    /// <summary>Locks an open file if that is possible now.</summary>
    /// <param name="handle">The file; closing it lets go of the lock.</param>
    /// <param name="kind"><see cref="Libc.LockShared"/> or <see cref="Libc.LockExclusive"/>.</param>
    public static bool TryLock(SafeFileHandle handle, int kind) => Libc.Lock(Descriptors.Number(handle), kind | Libc.LockDoNotWait) == 0;

    public void Dispose()
    {
        // While it is still held: who waits for it finds that its file is gone, and begins again.
        File.Delete(_path);
        _handle.Dispose();
    }

    private static bool IsCurrent(SafeFileHandle handle) => FileStatus.Of(handle).Links > 0;

    private static unsafe SafeFileHandle Open(string path)
    {
        fixed (byte* name = Encoding.UTF8.GetBytes(path + '\0'))
        {
            var descriptor = Libc.OpenAt(Libc.CurrentDirectory, name, Libc.ReadWrite | Libc.Create | Libc.CloseOnExec, OwnerOnly);
            return new SafeFileHandle((int)Libc.Check(descriptor, $"open {path}"), ownsHandle: true);
        }
    }

    // The kernel wakes who waits in flock(2) and nobody else, so that a thread has to; it may outlive a wait that was given up.
    private static async Task WaitAsync(SafeFileHandle handle, CancellationToken cancellationToken)
    {
        var waiting = Task.Factory.StartNew(
            () =>
            {
                while (Libc.Lock(Descriptors.Number(handle), Libc.LockExclusive) != 0)
                    if (Marshal.GetLastPInvokeError() is not Errno.Interrupted and var errno) throw new LinuxException("wait for a lock", errno);
            },
            CancellationToken.None,
            TaskCreationOptions.LongRunning,
            TaskScheduler.Default);
        try
        {
            await waiting.WaitAsync(cancellationToken);
        }
        catch
        {
            _ = CloseAsync(waiting, handle);
            throw;
        }
    }

    private static async Task CloseAsync(Task waiting, SafeFileHandle handle)
    {
        await waiting.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        handle.Dispose();
    }
}
