using System.Buffers.Binary;
using System.Runtime.InteropServices;
using System.Text;

namespace Ergon.Linux.Networking;

/// <summary>One request to the kernel: a header, a fixed part, and attributes (netlink(7)).</summary>
internal sealed class NetlinkMessage
{
    private const int HeaderLength = 16;
    private const int Alignment = 4;

    private readonly List<byte> _bytes = new(256);

    private NetlinkMessage()
    {
    }

    public NetlinkMessage(ushort type, NetlinkFlags flags, ReadOnlySpan<byte> fixedPart)
    {
        _bytes.AddRange(new byte[HeaderLength]);
        var header = CollectionsMarshal.AsSpan(_bytes);
        BinaryPrimitives.WriteUInt16LittleEndian(header[4..], type);
        BinaryPrimitives.WriteUInt16LittleEndian(header[6..], (ushort)flags);
        _bytes.AddRange(fixedPart);
        Align();
    }

    /// <summary>A fixed part and attributes that become the value of an attribute.</summary>
    public static NetlinkMessage Inside(ReadOnlySpan<byte> fixedPart)
    {
        var inside = new NetlinkMessage();
        inside._bytes.AddRange(fixedPart);
        inside.Align();
        return inside;
    }

    public NetlinkMessage Attribute(ushort type, NetlinkMessage inside) => Attribute(type, CollectionsMarshal.AsSpan(inside._bytes));

    public NetlinkMessage Attribute(ushort type, ReadOnlySpan<byte> value)
    {
        Span<byte> header = stackalloc byte[4];
        BinaryPrimitives.WriteUInt16LittleEndian(header, (ushort)(header.Length + value.Length));
        BinaryPrimitives.WriteUInt16LittleEndian(header[2..], type);
        _bytes.AddRange(header);
        _bytes.AddRange(value);
        Align();
        return this;
    }

    public NetlinkMessage Attribute(ushort type, string value) => Attribute(type, Encoding.UTF8.GetBytes(value + '\0'));

    public NetlinkMessage Attribute(ushort type, uint value)
    {
        Span<byte> bytes = stackalloc byte[4];
        BinaryPrimitives.WriteUInt32LittleEndian(bytes, value);
        return Attribute(type, bytes);
    }

    /// <summary>The finished message.</summary>
    public ReadOnlySpan<byte> Finish(uint sequence)
    {
        var bytes = CollectionsMarshal.AsSpan(_bytes);
        BinaryPrimitives.WriteInt32LittleEndian(bytes, bytes.Length);
        BinaryPrimitives.WriteUInt32LittleEndian(bytes[8..], sequence);
        return bytes;
    }

    /// <summary>Finds an attribute; a list that is not of its form ends where it stops being one.</summary>
    public static bool TryFind(ReadOnlySpan<byte> attributes, ushort type, out ReadOnlySpan<byte> value)
    {
        const ushort TypeMask = 0x3fff;
        while (attributes.Length >= 4)
        {
            var length = BinaryPrimitives.ReadUInt16LittleEndian(attributes);
            if (length < 4 || length > attributes.Length) break;
            if ((BinaryPrimitives.ReadUInt16LittleEndian(attributes[2..]) & TypeMask) == type)
            {
                value = attributes[4..length];
                return true;
            }

            attributes = attributes[Math.Min(attributes.Length, Aligned(length))..];
        }

        value = default;
        return false;
    }

    public static int Aligned(int length) => (length + Alignment - 1) & -Alignment;

    private void Align()
    {
        while (_bytes.Count % Alignment != 0) _bytes.Add(0);
    }
}

/// <summary>What is done with a request.</summary>
[Flags]
internal enum NetlinkFlags : ushort
{
    None = 0,
    Request = 0x1,
    Acknowledge = 0x4,
    Root = 0x100,

    /// <summary>The thing must not exist yet; for lists the same bit means: those that match.</summary>
    Exclusive = 0x200,
    Create = 0x400,
    Dump = Root | Exclusive,
}
