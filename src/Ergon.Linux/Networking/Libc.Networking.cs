using System.Runtime.InteropServices;

namespace Ergon.Linux;

/// <summary>The libc functions that talk to the kernel's network.</summary>
internal static unsafe partial class Libc
{
    [LibraryImport(Name, EntryPoint = "socket", SetLastError = true)]
    public static partial int Socket(int family, int type, int protocol);

    [LibraryImport(Name, EntryPoint = "sendto", SetLastError = true)]
    public static partial nint SendTo(int descriptor, void* buffer, nint count, int flags, void* address, uint addressLength);

    [LibraryImport(Name, EntryPoint = "recv", SetLastError = true)]
    public static partial nint Receive(int descriptor, void* buffer, nint count, int flags);
}
