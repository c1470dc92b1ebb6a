using System.Runtime.InteropServices;

namespace Ergon.Firecracker.StandIn.Machine;

/// <summary>The few calls of libc that are needed here.</summary>
internal static partial class Native
{
    public const int Kill = 9;
    public const int Terminate = 15;

    /// <summary>Makes a descriptor that outlives an exec.</summary>
    public static int Inheritable(SafeHandle handle)
    {
        var number = Duplicate((int)handle.DangerousGetHandle());
        return number >= 0 ? number : throw new IOException($"A file descriptor cannot be duplicated: {Marshal.GetLastPInvokeErrorMessage()}");
    }

    /// <summary>Ends this process by a signal, as if somebody had sent it.</summary>
    public static void EndBy(int signal) => SendSignal(Environment.ProcessId, signal);

    [LibraryImport("libc", EntryPoint = "close")]
    public static partial int Close(int descriptor);

    [LibraryImport("libc", EntryPoint = "dup", SetLastError = true)]
    private static partial int Duplicate(int descriptor);

    [LibraryImport("libc", EntryPoint = "kill", SetLastError = true)]
    private static partial int SendSignal(int process, int signal);
}
