using System.Buffers.Binary;

namespace Ergon.Images.Tar;

/// <summary>One header block, as it stands there: v7, ustar or GNU.</summary>
internal readonly ref struct TarHeader
{
    public const int BlockSize = 512;

    private readonly ReadOnlySpan<byte> _block;

    private TarHeader(ReadOnlySpan<byte> block) => _block = block;

    public char Type => (char)_block[156];

    public string Name
    {
        get
        {
            var name = Text(_block[..100]);
            if (!IsPosix) return name;
            var prefix = Text(_block.Slice(345, 155));
            return prefix.Length == 0 ? name : prefix + "/" + name;
        }
    }

    public string LinkName => Text(_block.Slice(157, 100));

    public long Size => Number(_block.Slice(124, 12), "size");

    public uint Mode => (uint)(Number(_block.Slice(100, 8), "mode") & 0xFFF);

    public uint UserId => Small(_block.Slice(108, 8), "user id");

    public uint GroupId => Small(_block.Slice(116, 8), "group id");

    public long ModifiedSeconds => Number(_block.Slice(136, 12), "time", negative: true);

    public uint DeviceMajor => IsKnown ? Small(_block.Slice(329, 8), "device number") : 0;

    public uint DeviceMinor => IsKnown ? Small(_block.Slice(337, 8), "device number") : 0;

    // GNU's magic is followed by a blank and has other fields where ustar has the prefix.
    private bool IsPosix => _block.Slice(257, 6).SequenceEqual("ustar\0"u8);

    private bool IsKnown => _block.Slice(257, 5).SequenceEqual("ustar"u8);

    /// <exception cref="InvalidDataException">The block is not a header.</exception>
    public static TarHeader Read(ReadOnlySpan<byte> block)
    {
        long unsigned = 0, signed = 0;
        for (var i = 0; i < BlockSize; i++)
        {
            var value = i is >= 148 and < 156 ? (byte)' ' : block[i];
            unsigned += value;
            signed += (sbyte)value;
        }

        // Some old programs summed signed bytes. What is not even a number is not a header either.
        if (!TryNumber(block.Slice(148, 8), out var expected) || (expected != unsigned && expected != signed))
            throw new InvalidDataException("It is not a tar archive, or it is damaged: the checksum of a header is wrong.");
        return new TarHeader(block);
    }

    private static string Text(ReadOnlySpan<byte> field)
    {
        var end = field.IndexOf((byte)0);
        return FileName.Encoding.GetString(end < 0 ? field : field[..end]);
    }

    private static uint Small(ReadOnlySpan<byte> field, string what) => Number(field, what) is var n and <= uint.MaxValue ? (uint)n : throw Bad(what);

    private static long Number(ReadOnlySpan<byte> field, string what, bool negative = false)
    {
        if ((field[0] & 0x80) != 0) return Binary(field, what, negative);
        return TryNumber(field, out var value) ? value : throw Bad(what);
    }

    private static bool TryNumber(ReadOnlySpan<byte> field, out long value)
    {
        value = 0;
        foreach (var digit in field.Trim(" \0"u8))
        {
            // What follows the first terminator is not part of the number.
            if (digit is 0 or (byte)' ') break;
            if (digit is < (byte)'0' or > (byte)'7' || value >= 1L << 60) return false;
            value = (value << 3) | (uint)(digit - '0');
        }

        return true;
    }

    private static long Binary(ReadOnlySpan<byte> field, string what, bool negative)
    {
        // Two's complement, big-endian; the top bit says that the number is binary and the next one is the sign.
        Span<byte> wide = stackalloc byte[16];
        var fill = (field[0] & 0x40) != 0 ? (byte)0xFF : (byte)0;
        wide.Fill(fill);
        field.CopyTo(wide[(16 - field.Length)..]);
        wide[16 - field.Length] = fill == 0 ? (byte)(field[0] & 0x7F) : (byte)(field[0] | 0x80);
        var value = BinaryPrimitives.ReadInt128BigEndian(wide);
        return value <= long.MaxValue && value >= (negative ? long.MinValue : 0) ? (long)value : throw Bad(what);
    }

    private static InvalidDataException Bad(string what) => new($"It is damaged: the {what} in a tar header is not a number that makes sense.");
}
