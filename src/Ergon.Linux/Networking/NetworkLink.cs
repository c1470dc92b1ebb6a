using System.Buffers.Binary;
using System.Net;
using System.Text;

namespace Ergon.Linux.Networking;

/// <summary>The network interfaces of this network namespace, by name.</summary>
internal static class NetworkLink
{
    public const int MaxNameLength = 15;
    public const int MaxAliasLength = 255;

    public const ushort NewLink = 16;
    public const ushort HardwareAddressAttribute = 1;
    public const ushort NamespaceAttribute = 28;
    public const int InfoLength = 16;

    private const ushort DeleteLink = 17;
    private const ushort GetLink = 18;
    private const ushort NewAddress = 20;
    private const ushort NewRoute = 24;
    private const ushort NameAttribute = 3;
    private const ushort MtuAttribute = 4;
    private const ushort AliasAttribute = 20;
    private const ushort AddressAttribute = 1;
    private const ushort LocalAttribute = 2;
    private const ushort BroadcastAttribute = 4;
    private const int AddressInfoLength = 8;
    private const ushort OutgoingAttribute = 4;
    private const ushort GatewayAttribute = 5;
    private const byte MainTable = 254;
    private const byte SetAtBoot = 3;
    private const byte Unicast = 1;
    private const byte InterNetwork = 2;
    private const int Up = 1;

    /// <summary>Sets what is shown beside the interface, and its largest packet.</summary>
    public static void Describe(string name, string alias, int mtu) => Change(
        Message(NewLink, NetlinkFlags.None, name).Attribute(AliasAttribute, alias).Attribute(MtuAttribute, (uint)mtu), $"describe {name}");

    /// <summary>Adds the name and the largest packet of an interface that is to be.</summary>
    public static NetlinkMessage Describe(NetlinkMessage message, string name, int mtu) => message.Attribute(NameAttribute, name).Attribute(MtuAttribute, (uint)mtu);

    public static void SetUp(string name) => Change(Message(NewLink, NetlinkFlags.None, name, Up), $"set {name} up");

    /// <summary>Deletes an interface; false when there is none of that name.</summary>
    public static bool Delete(string name)
    {
        using var socket = new NetlinkSocket(NetlinkSocket.Route);
        var errno = socket.TryExecute(Message(DeleteLink, NetlinkFlags.None, name));
        return errno switch
        {
            0 => true,
            Errno.NoDevice => false,
            _ => throw new LinuxException($"delete {name}", errno),
        };
    }

    public static bool Exists(string name) => TryGet(name) is not null;

    /// <summary>The largest packet of an interface; <see langword="null"/> when there is none of that name.</summary>
    public static int? GetMtu(string name)
    {
        if (TryGet(name) is not { } link || !NetlinkMessage.TryFind(link.AsSpan(InfoLength), MtuAttribute, out var mtu)) return null;
        return BinaryPrimitives.ReadInt32LittleEndian(mtu);
    }

    /// <summary>What is shown beside an interface; <see langword="null"/> when that is nothing, or there is no interface of that name.</summary>
    public static string? GetAlias(string name) =>
        TryGet(name) is { } link && NetlinkMessage.TryFind(link.AsSpan(InfoLength), AliasAttribute, out var alias)
            ? Encoding.UTF8.GetString(alias.TrimEnd((byte)0)) : null;

    public static void AddAddress(string name, IPAddress address, int prefixLength)
    {
        var info = new byte[AddressInfoLength];
        info[0] = InterNetwork;
        info[1] = (byte)prefixLength;
        BinaryPrimitives.WriteInt32LittleEndian(info.AsSpan(4), GetIndex(name));
        var bytes = address.GetAddressBytes();
        var broadcast = BinaryPrimitives.ReadUInt32BigEndian(bytes) | (uint.MaxValue >> prefixLength);
        var broadcastBytes = new byte[4];
        BinaryPrimitives.WriteUInt32BigEndian(broadcastBytes, broadcast);
        Change(
            new NetlinkMessage(NewAddress, NetlinkFlags.Request | NetlinkFlags.Acknowledge | NetlinkFlags.Create | NetlinkFlags.Exclusive, info)
                .Attribute(LocalAttribute, bytes).Attribute(AddressAttribute, bytes).Attribute(BroadcastAttribute, broadcastBytes),
            $"give {address}/{prefixLength} to {name}");
    }

    /// <summary>Sends everything that has no other way to a gateway.</summary>
    public static void AddDefaultRoute(string name, IPAddress gateway)
    {
        // struct rtmsg: family, lengths of target and source, type of service, table, protocol, scope, type, flags.
        byte[] info = [InterNetwork, 0, 0, 0, MainTable, SetAtBoot, 0, Unicast, 0, 0, 0, 0];
        Change(
            new NetlinkMessage(NewRoute, NetlinkFlags.Request | NetlinkFlags.Acknowledge | NetlinkFlags.Create | NetlinkFlags.Exclusive, info)
                .Attribute(GatewayAttribute, gateway.GetAddressBytes()).Attribute(OutgoingAttribute, (uint)GetIndex(name)),
            $"add the default route by {gateway}");
    }

    private static int GetIndex(string name) =>
        TryGet(name) is { } link ? BinaryPrimitives.ReadInt32LittleEndian(link.AsSpan(4)) : throw new LinuxException($"find {name}", Errno.NoDevice);

    // The answer to a request for one link is that link, and then the kernel's verdict.
    private static byte[]? TryGet(string name)
    {
        using var socket = new NetlinkSocket(NetlinkSocket.Route);
        byte[]? link = null;
        try
        {
            socket.Dump(Message(GetLink, NetlinkFlags.None, name), $"find {name}", payload => link = payload.ToArray());
        }
        catch (LinuxException e) when (e.Errno == Errno.NoDevice)
        {
            return null;
        }

        return link;
    }

    private static NetlinkMessage Message(ushort type, NetlinkFlags flags, string name, int set = 0)
    {
        var info = new byte[InfoLength];
        BinaryPrimitives.WriteInt32LittleEndian(info.AsSpan(8), set);
        BinaryPrimitives.WriteInt32LittleEndian(info.AsSpan(12), set);
        return new NetlinkMessage(type, NetlinkFlags.Request | NetlinkFlags.Acknowledge | flags, info).Attribute(NameAttribute, name);
    }

    private static void Change(NetlinkMessage message, string what)
    {
        using var socket = new NetlinkSocket(NetlinkSocket.Route);
        socket.Execute(message, what);
    }
}
