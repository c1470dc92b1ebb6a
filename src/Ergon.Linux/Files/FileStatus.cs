using System.Buffers.Binary;
using System.Runtime.InteropServices;

namespace Ergon.Linux;

/// <summary>What the kernel knows about a file (statx(2), the layout of which is the same on every processor).</summary>
internal readonly record struct FileStatus
{
    private const int EmptyPath = 0x1000;
    private const int NoFollow = 0x100;
    private const uint BasicStatus = 0x7FF;
    private const int Size = 256;

    /// <summary>Kind and permissions.</summary>
    public uint Mode { get; private init; }

    public uint Links { get; private init; }

    public uint UserId { get; private init; }

    public uint GroupId { get; private init; }

    public ulong Inode { get; private init; }

    public long Length { get; private init; }

    public (uint Major, uint Minor) FileSystem { get; private init; }

    /// <summary>Of a device node: which device.</summary>
    public (uint Major, uint Minor) Device { get; private init; }

    public (long Seconds, uint Nanoseconds) Modified { get; private init; }

    public (long Seconds, uint Nanoseconds) Changed { get; private init; }

    public FileKind Kind => (FileKind)(Mode & 0xF000);

    public bool IsRegular => Kind == FileKind.Regular;

    public bool IsDirectory => Kind == FileKind.Directory;

    /// <exception cref="LinuxException">The kernel refused.</exception>
    public static unsafe FileStatus Of(SafeHandle handle)
    {
        byte empty = 0;
        return Get(Descriptors.Number(handle), &empty, EmptyPath, "look at an open file");
    }

    /// <summary>The status of a name in a directory; a link's own.</summary>
    /// <exception cref="LinuxException">There is no such name, or the kernel refused.</exception>
    public static unsafe FileStatus Of(SafeHandle directory, ReadOnlySpan<byte> name)
    {
        fixed (byte* text = name) return Get(Descriptors.Number(directory), text, NoFollow, "look at a file");
    }

    private static unsafe FileStatus Get(int directory, byte* name, int flags, string what)
    {
        var buffer = stackalloc byte[Size];
        Libc.Check(Libc.Status(directory, name, flags, BasicStatus, buffer), what);
        return Read(new ReadOnlySpan<byte>(buffer, Size));
    }

    private static FileStatus Read(ReadOnlySpan<byte> raw)
    {
        static uint Number(ReadOnlySpan<byte> raw, int at) => BinaryPrimitives.ReadUInt32LittleEndian(raw[at..]);
        return new FileStatus
        {
            Links = Number(raw, 16),
            UserId = Number(raw, 20),
            GroupId = Number(raw, 24),
            Mode = BinaryPrimitives.ReadUInt16LittleEndian(raw[28..]),
            Inode = BinaryPrimitives.ReadUInt64LittleEndian(raw[32..]),
            Length = BinaryPrimitives.ReadInt64LittleEndian(raw[40..]),
            Changed = (BinaryPrimitives.ReadInt64LittleEndian(raw[96..]), Number(raw, 104)),
            Modified = (BinaryPrimitives.ReadInt64LittleEndian(raw[112..]), Number(raw, 120)),
            Device = (Number(raw, 128), Number(raw, 132)),
            FileSystem = (Number(raw, 136), Number(raw, 140)),
        };
    }
}

/// <summary>The kinds of files.</summary>
internal enum FileKind : uint
{
    Fifo = 0x1000,
    CharacterDevice = 0x2000,
    Directory = 0x4000,
    BlockDevice = 0x6000,
    Regular = 0x8000,
    SymbolicLink = 0xA000,
    Socket = 0xC000,
}
