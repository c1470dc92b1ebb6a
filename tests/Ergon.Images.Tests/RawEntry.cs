using System.Globalization;
using System.Text;

namespace Ergon.Images.Tests;

/// <summary>Entries of tar archives byte by byte, for what no honest writer writes.</summary>
internal static class RawEntry
{
    public static byte[] V7(string name, char type, string content) => Header(Encoding.UTF8.GetBytes(name), type, Encoding.UTF8.GetBytes(content), content.Length, magic: false);

    public static byte[] Ustar(ReadOnlySpan<byte> name, char type, ReadOnlySpan<byte> content) => Header(name, type, content, content.Length, magic: true);

    public static byte[] Ustar(string name, char type, string link = "") => Header(Encoding.UTF8.GetBytes(name), type, [], 0, magic: true, link);

    /// <summary>A header that promises more than follows.</summary>
    public static byte[] WithSize(string name, char type, long size) => Header(Encoding.UTF8.GetBytes(name), type, [], size, magic: true);

    /// <summary>An empty file with an extended header.</summary>
    public static byte[] Pax(string name, params (string Key, byte[] Value)[] records)
    {
        using var body = new MemoryStream();
        foreach (var (key, value) in records)
        {
            var rest = key.Length + value.Length + 3;
            var length = rest + 1;
            while (length.ToString(CultureInfo.InvariantCulture).Length + rest != length) length++;
            body.Write(Encoding.UTF8.GetBytes($"{length} {key}="));
            body.Write(value);
            body.WriteByte((byte)'\n');
        }

        return [.. Ustar("pax"u8, 'x', body.ToArray()), .. Ustar(Encoding.UTF8.GetBytes(name), '0', [])];
    }

    private static byte[] Header(ReadOnlySpan<byte> name, char type, ReadOnlySpan<byte> content, long size, bool magic, string link = "")
    {
        var block = new byte[512 + ((content.Length + 511) / 512 * 512)];
        name.CopyTo(block);
        "0000644\0"u8.CopyTo(block.AsSpan(100));
        "0000000\0"u8.CopyTo(block.AsSpan(108));
        "0000000\0"u8.CopyTo(block.AsSpan(116));
        Encoding.ASCII.GetBytes(Convert.ToString(size, 8).PadLeft(11, '0')).AsSpan(0, 11).CopyTo(block.AsSpan(124));
        "00000000000\0"u8.CopyTo(block.AsSpan(136));
        block[156] = (byte)type;
        Encoding.UTF8.GetBytes(link).CopyTo(block, 157);
        if (magic) "ustar\u000000"u8.CopyTo(block.AsSpan(257));
        "        "u8.CopyTo(block.AsSpan(148));
        var sum = block.AsSpan(0, 512).ToArray().Sum(b => b);
        Encoding.ASCII.GetBytes(Convert.ToString(sum, 8).PadLeft(6, '0') + "\0 ").CopyTo(block, 148);
        content.CopyTo(block.AsSpan(512));
        return block;
    }
}
