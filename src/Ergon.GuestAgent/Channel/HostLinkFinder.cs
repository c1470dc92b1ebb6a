using System.Runtime.InteropServices;
using Ergon.GuestAgent.Boot;
using Ergon.Linux;
using Ergon.MicroVm.Guest.Protocol;
using Microsoft.Win32.SafeHandles;

namespace Ergon.GuestAgent.Channel;

/// <summary>Finds the way to the host: a virtio-serial port by its name, or whoever connects over vsock.</summary>
internal sealed unsafe class HostLinkFinder(KernelEvents events, HostLink link)
{
    private const string Ports = "/sys/class/virtio-ports";
    private const int NetlinkFamily = 16;
    private const int DeviceEvents = 15;
    private const int VsockFamily = 40;
    private const int SocketStream = 1;
    private const int SocketRaw = 3;
    private const uint AnyContext = uint.MaxValue;
    private const uint HostContext = 2;

    private SafeFileHandle? _deviceEvents;
    private KernelEvents.Registration? _watch;

    public void Start()
    {
        Listen();
        // Watched before it is looked for: a port gets its name some time after the driver is loaded.
        _deviceEvents = OpenSocket(NetlinkFamily, SocketRaw, DeviceEvents);
        if (_deviceEvents is not null)
        {
            var address = stackalloc int[3];
            (address[0], address[1], address[2]) = (NetlinkFamily, 0, 1);
            Libc.Check(Libc.Bind(Descriptors.Number(_deviceEvents), address, 12), "watch for devices");
            _watch = events.Add(_deviceEvents, KernelEvents.Readable, (registration, _) => OnDeviceEvent(registration));
        }

        if (TryAttachPort()) StopWatching();
    }

    private void OnDeviceEvent(KernelEvents.Registration registration)
    {
        var buffer = stackalloc byte[8192];
        while (Libc.Read(Descriptors.Number(registration.Descriptor), buffer, 8192) > 0)
        {
        }

        if (TryAttachPort()) StopWatching();
        else registration.Arm(KernelEvents.Readable);
    }

    private bool TryAttachPort()
    {
        if (!Directory.Exists(Ports)) return false;
        foreach (var port in Directory.GetDirectories(Ports))
        {
            if (CgroupText.Read(port + "/name")?.Trim() != GuestProtocol.PortName) continue;
            link.Attach(Descriptors.Open("/dev/" + Path.GetFileName(port), Libc.ReadWrite | Libc.NonBlocking), isConnection: false);
            return true;
        }

        return false;
    }

    private void StopWatching()
    {
        _watch?.Dispose();
        _deviceEvents?.Dispose();
    }

    private void Listen()
    {
        var socket = OpenSocket(VsockFamily, SocketStream, 0);
        if (socket is null) return;
        var address = stackalloc uint[4]; // struct sockaddr_vm: family, port, context id, flags
        (address[0], address[1], address[2], address[3]) = (VsockFamily, GuestProtocol.VsockPort, AnyContext, 0);
        if (Libc.Bind(Descriptors.Number(socket), address, 16) < 0 || Libc.Listen(Descriptors.Number(socket), 4) < 0)
        {
            GuestConsole.Write($"vsock port {GuestProtocol.VsockPort} cannot be used: {Errno.Describe(Marshal.GetLastPInvokeError())}");
            socket.Dispose();
            return;
        }

        events.Add(socket, KernelEvents.Readable, (registration, _) => Accept(socket, registration));
        Knock();
    }

    // Tells a host that waits for it that somebody listens now; where none waits, the connection is refused, and nothing is lost.
    private void Knock()
    {
        var socket = OpenSocket(VsockFamily, SocketStream, 0);
        if (socket is null) return;
        var address = stackalloc uint[4];
        (address[0], address[1], address[2], address[3]) = (VsockFamily, GuestProtocol.KnockPort, HostContext, 0);
        _ = Libc.Connect(Descriptors.Number(socket), address, 16);
        events.Add(socket, KernelEvents.Writable, (registration, _) =>
        {
            registration.Dispose();
            socket.Dispose();
        });
    }

    private void Accept(SafeFileHandle socket, KernelEvents.Registration registration)
    {
        var connection = Libc.Accept(Descriptors.Number(socket), null, null, Libc.CloseOnExec | Libc.NonBlocking);
        registration.Arm(KernelEvents.Readable);
        if (connection >= 0) link.Attach(new SafeFileHandle(connection, ownsHandle: true), isConnection: true);
    }

    private static SafeFileHandle? OpenSocket(int family, int type, int protocol)
    {
        var socket = Libc.Socket(family, type | Libc.CloseOnExec | Libc.NonBlocking, protocol);
        return socket < 0 ? null : new SafeFileHandle(socket, ownsHandle: true);
    }
}
