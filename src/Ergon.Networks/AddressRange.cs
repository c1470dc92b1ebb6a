using System.Buffers.Binary;
using System.Diagnostics.CodeAnalysis;
using System.Net;
using System.Net.Sockets;

namespace Ergon.Networks;

/// <summary>A range of IPv4 addresses that share a prefix, such as <c>10.201.0.0/16</c>.</summary>
internal readonly record struct AddressRange(uint First, int PrefixLength)
{
    public uint Mask => PrefixLength == 0 ? 0 : uint.MaxValue << (32 - PrefixLength);

    public static AddressRange Parse(string text) =>
        TryParse(text, out var range) ? range : throw new FormatException($"'{text}' is not a range of IPv4 addresses such as 10.201.0.0/16.");

    public static bool TryParse([NotNullWhen(true)] string? text, out AddressRange range)
    {
        range = default;
        if (!IPNetwork.TryParse(text, out var network) || network.BaseAddress.AddressFamily != AddressFamily.InterNetwork) return false;
        range = new AddressRange(Number(network.BaseAddress), network.PrefixLength);
        range = range with { First = range.First & range.Mask };
        return true;
    }

    public static uint Number(IPAddress address)
    {
        Span<byte> bytes = stackalloc byte[4];
        return address.TryWriteBytes(bytes, out var count) && count == 4 ? BinaryPrimitives.ReadUInt32BigEndian(bytes)
            : throw new ArgumentException($"{address} is not an IPv4 address.", nameof(address));
    }

    public static IPAddress Address(uint number)
    {
        Span<byte> bytes = stackalloc byte[4];
        BinaryPrimitives.WriteUInt32BigEndian(bytes, number);
        return new IPAddress(bytes);
    }

    public bool Overlaps(AddressRange other)
    {
        var mask = Mask & other.Mask;
        return (First & mask) == (other.First & mask);
    }

    public override string ToString() => $"{Address(First)}/{PrefixLength}";
}
