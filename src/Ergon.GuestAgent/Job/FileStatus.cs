using System.Runtime.InteropServices;
using Ergon.Linux;

namespace Ergon.GuestAgent.Job;

/// <summary>What the kernel says about a file itself, not about where a link leads.</summary>
internal sealed record FileStatus(uint Mode, uint Uid, uint Gid, uint Links, ulong Device, ulong Inode, long Size, long ModifiedSeconds)
{
    private const int StatX64 = 332;
    private const int StatArm64 = 291;
    private const int WorkingDirectory = -100;
    private const int NoFollow = 0x100;
    private const int BasicFields = 0x7ff;
    private const uint TypeMask = 0xf000;

    private static readonly int Number = RuntimeInformation.ProcessArchitecture == Architecture.X64 ? StatX64 : StatArm64;

    public bool IsDirectory => (Mode & TypeMask) == 0x4000;

    public bool IsLink => (Mode & TypeMask) == 0xa000;

    public bool IsFile => (Mode & TypeMask) == 0x8000;

    /// <summary>The status of a path; <see langword="null"/> when there is nothing.</summary>
    public static unsafe FileStatus? Of(string path)
    {
        using var arena = new NativeArena();
        var status = (byte*)arena.Allocate(256); // struct statx
        if (Libc.SystemCall(Number, WorkingDirectory, arena.Text(path), NoFollow, BasicFields, (nint)status) < 0)
            return Marshal.GetLastPInvokeError() == Errno.NoEntry ? null : throw new LinuxException($"look at {path}", Marshal.GetLastPInvokeError());
        return new FileStatus(
            *(ushort*)(status + 28), *(uint*)(status + 20), *(uint*)(status + 24), *(uint*)(status + 16),
            ((ulong)*(uint*)(status + 136) << 32) | *(uint*)(status + 140), *(ulong*)(status + 32), *(long*)(status + 40), *(long*)(status + 112));
    }
}
