using System.Net.NetworkInformation;
using System.Runtime.InteropServices;

namespace Ergon.Linux.Networking;

/// <summary>Pairs of network interfaces (veth(4)): what is sent into one comes out of the other.</summary>
internal static class VethPair
{
    private const string Kind = "veth";
    private const ushort LinkInfoAttribute = 18;
    private const ushort KindAttribute = 1;
    private const ushort DataAttribute = 2;
    private const ushort PeerAttribute = 1;

    /// <summary>Makes one interface here and the other in another network namespace; both are gone when one of them is.</summary>
    /// <param name="name">The one here.</param>
    /// <param name="peer">The other.</param>
    /// <param name="peerAddress">The hardware address of the other, such as <c>06:00:0a:c9:00:02</c>.</param>
    /// <param name="mtu">The largest packet of both.</param>
    /// <param name="networkNamespace">Where the other is.</param>
    /// <exception cref="LinuxException">There is one of such a name, or it may not be made.</exception>
    public static void Create(string name, string peer, string peerAddress, int mtu, SafeHandle networkNamespace)
    {
        var other = NetworkLink.Describe(NetlinkMessage.Inside(new byte[NetworkLink.InfoLength]), peer, mtu)
            .Attribute(NetworkLink.HardwareAddressAttribute, PhysicalAddress.Parse(peerAddress).GetAddressBytes())
            .Attribute(NetworkLink.NamespaceAttribute, (uint)Descriptors.Number(networkNamespace));
        var link = NetlinkMessage.Inside([])
            .Attribute(KindAttribute, Kind)
            .Attribute(DataAttribute, NetlinkMessage.Inside([]).Attribute(PeerAttribute, other));
        var message = new NetlinkMessage(NetworkLink.NewLink, NetlinkFlags.Request | NetlinkFlags.Acknowledge | NetlinkFlags.Create | NetlinkFlags.Exclusive, new byte[NetworkLink.InfoLength]);
        using var socket = new NetlinkSocket(NetlinkSocket.Route);
        socket.Execute(NetworkLink.Describe(message, name, mtu).Attribute(LinkInfoAttribute, link), $"make the pair of interfaces {name} and {peer}");
    }
}
