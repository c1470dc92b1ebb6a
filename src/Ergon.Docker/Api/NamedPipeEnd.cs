using System.ComponentModel;
using System.IO.Pipes;
using System.Runtime.InteropServices;
using System.Runtime.Versioning;

namespace Ergon.Docker.Api;

/// <summary>
/// The end of what is written into a named pipe. Pipes cannot be closed in one direction; an Engine on Windows takes a message without bytes
/// for it, which the class library does not send.
/// </summary>
[SupportedOSPlatform("windows")]
internal static unsafe partial class NamedPipeEnd
{
    private const int IoPending = 997;

    /// <summary>Writes a message without bytes.</summary>
    /// <exception cref="IOException">The pipe is closed.</exception>
    public static void Write(NamedPipeClientStream pipe)
    {
        using var written = new ManualResetEvent(false);

        // The lowest bit keeps the completion from the thread pool, which knows nothing of this call.
        var overlapped = new NativeOverlapped { EventHandle = written.SafeWaitHandle.DangerousGetHandle() | 1 };
        if (WriteFile(pipe.SafePipeHandle, null, 0, null, &overlapped)) return;
        if (Marshal.GetLastPInvokeError() == IoPending && GetOverlappedResult(pipe.SafePipeHandle, &overlapped, out _, wait: true)) return;
        throw new IOException(new Win32Exception(Marshal.GetLastPInvokeError()).Message);
    }

    [LibraryImport("kernel32.dll", SetLastError = true)]
    [return: MarshalAs(UnmanagedType.Bool)]
    private static partial bool WriteFile(SafeHandle file, byte* bytes, uint count, uint* written, NativeOverlapped* overlapped);

    [LibraryImport("kernel32.dll", SetLastError = true)]
    [return: MarshalAs(UnmanagedType.Bool)]
    private static partial bool GetOverlappedResult(SafeHandle file, NativeOverlapped* overlapped, out uint transferred, [MarshalAs(UnmanagedType.Bool)] bool wait);
}
