using System.Runtime.InteropServices;

namespace Ergon.Linux;

/// <summary>The numbers of the system calls that have no libc function, or whose libc function does more than the call.</summary>
/// <remarks>
/// glibc's <c>setuid</c> family changes every thread of the process; the raw calls change the calling thread alone, which is what a
/// launch needs.
/// </remarks>
internal static class SystemCallNumbers
{
    private static readonly bool X64 = RuntimeInformation.ProcessArchitecture == Architecture.X64;

    /// <summary>Whether the numbers of this machine's architecture are known.</summary>
    public static bool Known => RuntimeInformation.ProcessArchitecture is Architecture.X64 or Architecture.Arm64;

    public static int Ioctl => X64 ? 16 : 29;
    public static int Socket => X64 ? 41 : 198;
    public static int Chdir => X64 ? 80 : 49;
    public static int Umask => X64 ? 95 : 166;
    public static int SetGroups => X64 ? 116 : 159;
    public static int SetResUid => X64 ? 117 : 147;
    public static int SetResGid => X64 ? 119 : 149;
    public static int CapSet => X64 ? 126 : 91;
    public static int PivotRoot => X64 ? 155 : 41;
    public static int Prctl => X64 ? 157 : 167;
    public static int Mount => X64 ? 165 : 40;
    public static int Unmount => X64 ? 166 : 39;
    public static int SetHostName => X64 ? 170 : 161;
    public static int GetThreadId => X64 ? 186 : 178;
    public static int WaitId => X64 ? 247 : 95;
    public static int MakeDirectoryAt => X64 ? 258 : 34;
    public static int MakeNodeAt => X64 ? 259 : 33;
    public static int ChangeOwnerAt => X64 ? 260 : 54;
    public static int MakeSymbolicLinkAt => X64 ? 266 : 36;
    public static int OpenAt => X64 ? 257 : 56;
    public static int FileAccessAt => X64 ? 269 : 48;
    public static int Unshare => X64 ? 272 : 97;
    public static int ResourceLimit => X64 ? 302 : 261;
    public static int CreateMemoryFile => X64 ? 319 : 279;
    public static int SetNamespace => X64 ? 308 : 268;
    public static int Write => X64 ? 1 : 64;
    public static int Clone => X64 ? 56 : 220;
    public static int Execute => X64 ? 59 : 221;
    public static int Exit => X64 ? 60 : 93;
    public static int DuplicateTo => X64 ? 292 : 24;
    public static int SetSession => X64 ? 112 : 157;
    public static int SignalAction => X64 ? 13 : 134;
    public static int SignalMask => X64 ? 14 : 135;
    public static int SignalSuspend => X64 ? 130 : 133;
    public static int ChangeRoot => X64 ? 161 : 51;

    // Calls newer than 5.0 have one number everywhere.
    public const int PidFdSendSignal = 424;
    public const int OpenTree = 428;
    public const int MoveMount = 429;
    public const int OpenFileSystem = 430;
    public const int ConfigureFileSystem = 431;
    public const int MountFileSystem = 432;
    public const int PidFdOpen = 434;
    public const int CloseRange = 436;
    public const int OpenAtResolved = 437;
    public const int MountSetAttributes = 442;
}
