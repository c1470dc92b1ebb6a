using System.Buffers.Binary;
using System.Runtime.InteropServices;
using Ergon.MicroVm.Guest.Protocol;

namespace Ergon.GuestAgent.Channel;

/// <summary>
/// One output stream on its way to the host: every byte is kept until the host has it, and no more is taken than one window.
/// </summary>
internal sealed unsafe class OutputBuffer(uint channel, byte stream) : IDisposable
{
    private const int Capacity = GuestProtocol.OutputWindow;
    private const int OutputHeaderBytes = sizeof(uint) + 1 + sizeof(long);

    private byte* _ring;
    private long _received;
    private long _sent;
    private long _acknowledged;
    private bool _ended;
    private bool _disposed;

    /// <summary>Called when there is something to send.</summary>
    public Action? Filled { get; set; }

    /// <summary>Called when there is space again.</summary>
    public Action? Freed { get; set; }

    /// <summary>Whether everything has been sent at least once, and that it was the end.</summary>
    public bool EndSent { get; private set; }

    /// <summary>Whether no more will come.</summary>
    public bool Ended => _ended;

    /// <summary>Memory to read into; empty while the window is full.</summary>
    public Span<byte> Free
    {
        get
        {
            if (_disposed || _ended) return default;
            if (_ring is null) _ring = (byte*)NativeMemory.Alloc(Capacity);
            var at = (int)(_received % Capacity);
            return new Span<byte>(_ring + at, (int)Math.Min(Capacity - at, Capacity - (_received - _acknowledged)));
        }
    }

    /// <summary>Takes what was read into <see cref="Free"/>.</summary>
    public void Commit(int count)
    {
        _received += count;
        Filled?.Invoke();
    }

    /// <summary>Says that no more will come.</summary>
    public void End()
    {
        if (_ended) return;
        _ended = true;
        Filled?.Invoke();
    }

    /// <summary>The host has everything before the offset.</summary>
    public void Acknowledge(long offset)
    {
        if (offset <= _acknowledged || offset > _sent) return;
        _acknowledged = offset;
        if (_ended && _acknowledged == _received) Release();
        else Freed?.Invoke();
    }

    /// <summary>Begins to send again from what a new connection has.</summary>
    public void Resume(long offset)
    {
        if (offset > _acknowledged && offset <= _received) _acknowledged = offset;
        _sent = _acknowledged;
        EndSent = false;
        Freed?.Invoke();
    }

    /// <summary>Writes the next frame; 0 when there is none.</summary>
    public int Compose(Span<byte> frame)
    {
        if (_disposed) return 0;
        var payload = frame[GuestProtocol.HeaderBytes..];
        BinaryPrimitives.WriteUInt32LittleEndian(payload, channel);
        payload[4] = stream;
        BinaryPrimitives.WriteInt64LittleEndian(payload[5..], _sent);
        if (_sent == _received)
        {
            if (!_ended || EndSent) return 0;
            EndSent = true;
            FrameParser.WriteHeader(frame, FrameType.OutputEnd, OutputHeaderBytes);
            return GuestProtocol.HeaderBytes + OutputHeaderBytes;
        }

        var at = (int)(_sent % Capacity);
        var count = (int)Math.Min(Math.Min(_received - _sent, Capacity - at), payload.Length - OutputHeaderBytes);
        new ReadOnlySpan<byte>(_ring + at, count).CopyTo(payload[OutputHeaderBytes..]);
        _sent += count;
        FrameParser.WriteHeader(frame, FrameType.Output, OutputHeaderBytes + count);
        return GuestProtocol.HeaderBytes + OutputHeaderBytes + count;
    }

    private void Release()
    {
        NativeMemory.Free(_ring);
        _ring = null;
    }

    public void Dispose()
    {
        _disposed = true;
        Release();
    }
}
