using System.Buffers.Binary;
using System.Runtime.InteropServices;

namespace Ergon.MicroVm.Warm;

/// <summary>The smallest program there can be that writes a line and ends well: the job with which guests rehearse. See elf(5).</summary>
internal static class RehearsalProgram
{
    private const ulong Address = 0x400000;
    private const int HeaderBytes = 64;
    private const int SegmentHeaderBytes = 56;
    private const ushort MachineOfX64 = 62;
    private const ushort MachineOfArm64 = 183;

    // write(1, "\n", 1); exit_group(0);
    private static ReadOnlySpan<byte> X64 =>
    [
        0xb8, 1, 0, 0, 0, 0xbf, 1, 0, 0, 0, 0x48, 0x8d, 0x35, 16, 0, 0, 0, 0xba, 1, 0, 0, 0, 0x0f, 0x05, // mov eax, edi; lea rsi; mov edx; syscall
        0xb8, 231, 0, 0, 0, 0x31, 0xff, 0x0f, 0x05, (byte)'\n', // mov eax; xor edi; syscall; the line
    ];

    private static ReadOnlySpan<byte> Arm64 =>
    [
        0x20, 0x00, 0x80, 0xd2, 0xe1, 0x00, 0x00, 0x10, 0x22, 0x00, 0x80, 0xd2, 0x08, 0x08, 0x80, 0xd2, 0x01, 0x00, 0x00, 0xd4, // mov x0; adr x1; mov x2; mov x8; svc
        0x00, 0x00, 0x80, 0xd2, 0xc8, 0x0b, 0x80, 0xd2, 0x01, 0x00, 0x00, 0xd4, (byte)'\n', // mov x0; mov x8; svc; the line
    ];

    /// <summary>The program for the processor of this machine.</summary>
    public static byte[] Bytes => RuntimeInformation.OSArchitecture == Architecture.Arm64 ? Make(MachineOfArm64, Arm64) : Make(MachineOfX64, X64);

    private static byte[] Make(ushort machine, ReadOnlySpan<byte> code)
    {
        var file = new byte[HeaderBytes + SegmentHeaderBytes + code.Length];
        ReadOnlySpan<byte> identification = [0x7f, (byte)'E', (byte)'L', (byte)'F', 2, 1, 1]; // 64 bits, little-endian, version 1
        identification.CopyTo(file);
        Write16(16, 2); // an executable
        Write16(18, machine);
        Write32(20, 1); // version
        Write64(24, Address + HeaderBytes + SegmentHeaderBytes); // where it begins
        Write64(32, HeaderBytes); // the segment headers
        Write16(52, HeaderBytes);
        Write16(54, SegmentHeaderBytes);
        Write16(56, 1); // one segment
        Write32(64, 1); // which is loaded,
        Write32(68, 5); // read and executed
        Write64(80, Address);
        Write64(88, Address);
        Write64(96, (ulong)file.Length);
        Write64(104, (ulong)file.Length);
        Write64(112, 0x10000); // alignment: of the largest pages that there are
        code.CopyTo(file.AsSpan(HeaderBytes + SegmentHeaderBytes));
        return file;

        void Write16(int offset, ushort value) => BinaryPrimitives.WriteUInt16LittleEndian(file.AsSpan(offset), value);
        void Write32(int offset, uint value) => BinaryPrimitives.WriteUInt32LittleEndian(file.AsSpan(offset), value);
        void Write64(int offset, ulong value) => BinaryPrimitives.WriteUInt64LittleEndian(file.AsSpan(offset), value);
    }
}
