using System.Net;

namespace Ergon.Linux.Networking;

/// <summary>The connections that the kernel keeps in mind in order to translate their addresses.</summary>
internal static class ConnectionTracking
{
    private const ushort Subsystem = 1 << 8;
    private const ushort Get = Subsystem | 1;
    private const ushort Delete = Subsystem | 2;
    private const ushort OriginalTuple = 1;
    private const ushort ReplyTuple = 2;
    private const ushort TupleAddresses = 1;
    private const ushort SourceAddress = 1;
    private const ushort TargetAddress = 2;
    private const ushort NestedAttribute = 0x8000;
    private const int HeaderLength = 4;

    // Version 0, resource 0, behind the address family (IPv4).
    private static ReadOnlySpan<byte> Header => [2, 0, 0, 0];

    /// <summary>
    /// Forgets every connection from or to an address. A UDP client that goes on sending to a host port would otherwise be led to
    /// the former owner of that port for as long as it sends.
    /// </summary>
    public static void Forget(IPAddress address)
    {
        using var socket = new NetlinkSocket(NetlinkSocket.Netfilter);
        var wanted = address.GetAddressBytes();
        var found = new List<byte[]>();
        socket.Dump(
            new NetlinkMessage(Get, NetlinkFlags.Request | NetlinkFlags.Dump, Header), "list the tracked connections",
            payload => Collect(payload, wanted, found));

        // One that ended by itself meanwhile is as good.
        foreach (var tuple in found)
            _ = socket.TryExecute(new NetlinkMessage(Delete, NetlinkFlags.Request | NetlinkFlags.Acknowledge, Header).Attribute(NestedAttribute | OriginalTuple, tuple));
    }

    private static void Collect(ReadOnlySpan<byte> payload, byte[] wanted, List<byte[]> found)
    {
        if (payload.Length < HeaderLength || !NetlinkMessage.TryFind(payload[HeaderLength..], OriginalTuple, out var original)) return;
        if (Concerns(original, wanted) || (NetlinkMessage.TryFind(payload[HeaderLength..], ReplyTuple, out var reply) && Concerns(reply, wanted)))
            found.Add(original.ToArray());
    }

    private static bool Concerns(ReadOnlySpan<byte> tuple, byte[] address) =>
        NetlinkMessage.TryFind(tuple, TupleAddresses, out var addresses) &&
        ((NetlinkMessage.TryFind(addresses, SourceAddress, out var source) && source.SequenceEqual(address)) ||
         (NetlinkMessage.TryFind(addresses, TargetAddress, out var target) && target.SequenceEqual(address)));
}
