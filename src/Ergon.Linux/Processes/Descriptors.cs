using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;

namespace Ergon.Linux;

/// <summary>Opens descriptors that never outlive an exec and are never 0, 1 or 2.</summary>
internal static unsafe class Descriptors
{
    private const int FirstFree = 3;
    private const int FirstHigh = 64;
    private const int DuplicateCloseOnExec = 1030;
    private const int SetPipeSize = 1031;

    public static SafeFileHandle Open(string path, int flags) =>
        Own((int)Libc.Check(Libc.Open(path, flags | Libc.CloseOnExec), $"open {path}"));

    /// <summary>Makes a pipe. A larger buffer than the default is taken where the system grants it.</summary>
    public static (SafeFileHandle Read, SafeFileHandle Write) Pipe(int bufferBytes = 0)
    {
        var ends = stackalloc int[2];
        Libc.Check(Libc.Pipe2(ends, Libc.CloseOnExec), "make a pipe");
        var (read, write) = (Own(ends[0]), Own(ends[1]));
        if (bufferBytes > 0) _ = Libc.Fcntl(ends[1] >= FirstFree ? ends[1] : Number(write), SetPipeSize, bufferBytes);
        return (read, write);
    }

    /// <summary>Makes another descriptor of the same file, the number of which is none that a spawned program gets.</summary>
    public static SafeFileHandle DuplicateHigh(int descriptor) =>
        new((nint)Libc.Check(Libc.Fcntl(descriptor, DuplicateCloseOnExec, FirstHigh), "duplicate a file descriptor"), ownsHandle: true);

    /// <summary>The number behind a handle that the caller keeps alive.</summary>
    public static int Number(SafeHandle handle) => (int)handle.DangerousGetHandle();

    // A process that was started with its standard streams closed gets their numbers for what it opens; a spawn would then overwrite them.
    private static SafeFileHandle Own(int descriptor)
    {
        if (descriptor >= FirstFree) return new SafeFileHandle(descriptor, ownsHandle: true);
        var moved = Libc.Fcntl(descriptor, DuplicateCloseOnExec, FirstFree);
        var errno = Marshal.GetLastPInvokeError();
        _ = Libc.Close(descriptor);
        return moved >= 0 ? new SafeFileHandle(moved, ownsHandle: true) : throw new LinuxException("move a file descriptor", errno);
    }
}
