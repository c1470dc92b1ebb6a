using System.Runtime.InteropServices;

namespace Ergon.Linux;

/// <summary>Error numbers of the kernel (the same on x86-64 and arm64).</summary>
internal static class Errno
{
    public const int NotPermitted = 1;
    public const int NoEntry = 2;
    public const int NoSuchProcess = 3;
    public const int Interrupted = 4;
    public const int InputOutput = 5;
    public const int ArgumentListTooLong = 7;
    public const int NotExecutableFormat = 8;
    public const int NoChild = 10;
    public const int TryAgain = 11;
    public const int NoMemory = 12;
    public const int AccessDenied = 13;
    public const int Busy = 16;
    public const int Exists = 17;
    public const int NoDevice = 19;
    public const int NotADirectory = 20;
    public const int IsADirectory = 21;
    public const int Invalid = 22;
    public const int TextBusy = 26;
    public const int NoSystemCall = 38;
    public const int TooManyLinks = 40;
    public const int NotSupported = 95;

    /// <summary>The system's own words for an error number.</summary>
    public static string Describe(int errno) => Marshal.GetPInvokeErrorMessage(errno);
}

/// <summary>The kernel refused a call.</summary>
internal sealed class LinuxException(string what, int errno) : IOException($"{what}: {Linux.Errno.Describe(errno)} (errno {errno})")
{
    /// <summary>The kernel's error number.</summary>
    public int Errno { get; } = errno;
}
