using System.Buffers.Binary;
using System.Runtime.InteropServices;

namespace Ergon.Linux.Networking;

/// <summary>A conversation with the kernel, which answers every request before the next one is sent.</summary>
internal sealed unsafe class NetlinkSocket : IDisposable
{
    public const int Route = 0;
    public const int Netfilter = 12;

    private const int Family = 16;
    private const int Raw = 3;
    private const int HeaderLength = 16;
    private const ushort ErrorType = 2;
    private const ushort DoneType = 3;

    private readonly int _descriptor;
    private readonly byte[] _buffer = new byte[64 * 1024];
    private uint _sequence;

    public NetlinkSocket(int protocol) =>
        _descriptor = (int)Libc.Check(Libc.Socket(Family, Raw | Libc.CloseOnExec, protocol), "open a netlink socket");

    /// <summary>Receives one message of a dump: its payload after the netlink header.</summary>
    public delegate void Received(ReadOnlySpan<byte> payload);

    public void Dispose() => _ = Libc.Close(_descriptor);

    /// <summary>Sends a request and waits for the kernel's verdict on it.</summary>
    /// <exception cref="LinuxException">The kernel refused it.</exception>
    public void Execute(NetlinkMessage message, string what)
    {
        var errno = TryExecute(message);
        if (errno != 0) throw new LinuxException(what, errno);
    }

    /// <summary>As <see cref="Execute"/>, with the kernel's error number, or 0.</summary>
    public int TryExecute(NetlinkMessage message) => Converse(message, null);

    /// <summary>Sends a request and takes every message of the answer.</summary>
    /// <exception cref="LinuxException">The kernel refused it.</exception>
    public void Dump(NetlinkMessage message, string what, Received received)
    {
        var errno = Converse(message, received);
        if (errno != 0) throw new LinuxException(what, errno);
    }

    private int Converse(NetlinkMessage message, Received? received)
    {
        Send(message.Finish(++_sequence));
        while (true)
        {
            if (Take(Receive(), received) is { } verdict) return verdict;
        }
    }

    // One datagram holds several messages. Null: more is to come.
    private int? Take(ReadOnlySpan<byte> datagram, Received? received)
    {
        while (datagram.Length >= HeaderLength)
        {
            var length = BinaryPrimitives.ReadInt32LittleEndian(datagram);
            if (length < HeaderLength || length > datagram.Length) break;
            var payload = datagram[HeaderLength..length];
            var mine = BinaryPrimitives.ReadUInt32LittleEndian(datagram[8..]) == _sequence;
            switch (BinaryPrimitives.ReadUInt16LittleEndian(datagram[4..]))
            {
                case ErrorType when mine:
                    return -BinaryPrimitives.ReadInt32LittleEndian(payload);
                case DoneType when mine:
                    return 0;
                default:
                    if (mine) received?.Invoke(payload);
                    break;
            }

            datagram = datagram[Math.Min(datagram.Length, NetlinkMessage.Aligned(length))..];
        }

        return null;
    }

    private void Send(ReadOnlySpan<byte> bytes)
    {
        Span<byte> kernel = stackalloc byte[12];
        kernel.Clear();
        kernel[0] = Family;
        fixed (byte* start = bytes, address = kernel)
            Libc.Check(Libc.SendTo(_descriptor, start, bytes.Length, 0, address, (uint)kernel.Length), "send to the kernel");
    }

    private ReadOnlySpan<byte> Receive()
    {
        fixed (byte* start = _buffer)
        {
            while (true)
            {
                var count = Libc.Receive(_descriptor, start, _buffer.Length, 0);
                if (count < 0 && Marshal.GetLastPInvokeError() == Errno.Interrupted) continue;
                return _buffer.AsSpan(0, (int)Libc.Check(count, "receive from the kernel"));
            }
        }
    }
}
