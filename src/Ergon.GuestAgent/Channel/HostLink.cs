using System.Runtime.InteropServices;
using Ergon.Linux;
using Microsoft.Win32.SafeHandles;

namespace Ergon.GuestAgent.Channel;

/// <summary>The bytes to and from the host, over a port that stays or over a connection that a newer one replaces.</summary>
internal sealed unsafe class HostLink(KernelEvents events)
{
    private SafeFileHandle? _descriptor;
    private KernelEvents.Registration? _registration;
    private bool _isConnection;

    public required FrameReceiver Receiver { get; init; }

    public required Action Writable { get; init; }

    /// <summary>The host has gone.</summary>
    public required Action Lost { get; init; }

    /// <summary>Uses a port, or a new connection in place of the former one.</summary>
    public void Attach(SafeFileHandle descriptor, bool isConnection)
    {
        Detach();
        (_descriptor, _isConnection) = (descriptor, isConnection);
        _registration = events.AddEdgeTriggered(descriptor, KernelEvents.Readable | KernelEvents.Writable, (_, _) => OnChange(descriptor));
        OnChange(descriptor);
    }

    /// <summary>Writes without waiting; -1 when that is not possible now.</summary>
    public int Write(ReadOnlySpan<byte> bytes)
    {
        if (_descriptor is null) return -1;
        fixed (byte* start = bytes) return (int)Libc.Write(Descriptors.Number(_descriptor), start, bytes.Length);
    }

    private void OnChange(SafeFileHandle descriptor)
    {
        while (_descriptor == descriptor)
        {
            var count = Read(descriptor);
            if (count > 0)
            {
                Receiver.Commit(count);
                continue;
            }

            var errno = count < 0 ? Marshal.GetLastPInvokeError() : 0;
            if (errno == Errno.Interrupted) continue;
            if (errno == Errno.TryAgain)
            {
                Writable();
                return;
            }

            // A port without its host reads as ended, and is woken when one comes. It tells that out of turn: the greeting of the next
            // host may have been read already, so nothing is forgotten until one is read.
            if (_isConnection) Detach();
            return;
        }
    }

    private int Read(SafeFileHandle descriptor)
    {
        var free = Receiver.Free;
        fixed (byte* start = free) return (int)Libc.Read(Descriptors.Number(descriptor), start, free.Length);
    }

    private void Detach()
    {
        if (_descriptor is null) return;
        _registration?.Dispose();
        _descriptor.Dispose();
        _descriptor = null;
        Receiver.Reset();
        Lost();
    }
}
