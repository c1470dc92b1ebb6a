using System.Net;
using System.Text;
using Ergon.GuestAgent.Boot;
using Ergon.Linux;
using Ergon.MicroVm.Guest.Protocol;
using Microsoft.Win32.SafeHandles;

namespace Ergon.GuestAgent.Job;

/// <summary>Names the guest and gives its network interfaces what the host says.</summary>
internal static unsafe class GuestNetworking
{
    private const int Inet = 2;
    private const int Datagram = 2;
    private const nuint AddRoute = 0x890b;
    private const nuint SetFlags = 0x8914;
    private const nuint SetAddress = 0x8916;
    private const nuint SetNetworkMask = 0x891c;
    private const short UpAndRunning = 0x41;
    private const ushort RouteUpGateway = 3;
    private const int NameBytes = 16;
    private const int RequestBytes = 40; // struct ifreq
    private const int RouteBytes = 120; // struct rtentry

    public static void Configure(string hostname, GuestNetwork? network)
    {
        var name = Encoding.UTF8.GetBytes(hostname);
        fixed (byte* bytes = name) Libc.Check(Libc.SetHostName(bytes, name.Length), $"set the host name {hostname}");
        using var socket = new SafeFileHandle((nint)Libc.Check(Libc.Socket(Inet, Datagram | Libc.CloseOnExec, 0), "open a socket"), ownsHandle: true);
        BringUp(socket, "lo");
        if (network is not null) Configure(socket, network);
    }

    private static void Configure(SafeFileHandle socket, GuestNetwork network)
    {
        foreach (var module in ModuleLoader.Read(ModuleLoader.Network)) ModuleLoader.Load(module);
        var device = Directory.GetDirectories("/sys/class/net").Select(Path.GetFileName).Order(StringComparer.Ordinal).FirstOrDefault(n => n != "lo")
            ?? throw new IOException("The guest has no network interface; its kernel needs virtio_net.");
        Set(socket, device, SetAddress, Address(network.Address), $"give {device} the address {network.Address}");
        var mask = network.PrefixLength == 0 ? 0 : IPAddress.HostToNetworkOrder((int)(uint.MaxValue << (32 - network.PrefixLength)));
        Set(socket, device, SetNetworkMask, mask, $"give {device} its network mask");
        BringUp(socket, device);
        if (network.Gateway.Length == 0) return;
        var route = stackalloc byte[RouteBytes];
        new Span<byte>(route, RouteBytes).Clear();
        // struct rtentry: padding, then destination, gateway and mask as socket addresses, then the flags.
        *(ushort*)(route + 8) = *(ushort*)(route + 24) = *(ushort*)(route + 40) = Inet;
        *(int*)(route + 28) = Address(network.Gateway);
        *(ushort*)(route + 56) = RouteUpGateway;
        Libc.Check(Libc.Ioctl(Descriptors.Number(socket), AddRoute, route), $"set the default route to {network.Gateway}");
    }

    private static int Address(string text) => IPAddress.TryParse(text, out var address) && address.GetAddressBytes() is { Length: 4 } bytes
        ? BitConverter.ToInt32(bytes)
        : throw new IOException($"'{text}' is no IPv4 address.");

    private static void Set(SafeFileHandle socket, string device, nuint what, int address, string description)
    {
        var request = stackalloc byte[RequestBytes];
        Name(request, device);
        *(ushort*)(request + NameBytes) = Inet;
        *(int*)(request + NameBytes + 4) = address;
        Libc.Check(Libc.Ioctl(Descriptors.Number(socket), what, request), description);
    }

    private static void BringUp(SafeFileHandle socket, string device)
    {
        var request = stackalloc byte[RequestBytes];
        Name(request, device);
        *(short*)(request + NameBytes) = UpAndRunning;
        Libc.Check(Libc.Ioctl(Descriptors.Number(socket), SetFlags, request), $"switch {device} on");
    }

    private static void Name(byte* request, string device)
    {
        var bytes = new Span<byte>(request, RequestBytes);
        bytes.Clear();
        Encoding.UTF8.GetBytes(device, bytes[..(NameBytes - 1)]);
    }
}
