using System.Buffers;
using System.Buffers.Binary;

namespace Ergon.MicroVm.Guest.Protocol;

/// <summary>Finds frames in the bytes of the other side, which is not trusted.</summary>
internal static class FrameParser
{
    /// <summary>Takes the next whole frame off the buffer; <see langword="false"/> when its end is not there yet.</summary>
    /// <exception cref="ProtocolException">The frame is longer than <paramref name="maxPayload"/> allows for its type.</exception>
    public static bool TryTake(ref ReadOnlySequence<byte> buffer, Func<FrameType, int> maxPayload, out FrameType type, out ReadOnlySequence<byte> payload)
    {
        SkipPadding(ref buffer);
        (type, payload) = (default, default);
        if (buffer.Length < GuestProtocol.HeaderBytes) return false;
        Span<byte> header = stackalloc byte[GuestProtocol.HeaderBytes];
        buffer.Slice(0, GuestProtocol.HeaderBytes).CopyTo(header);
        type = (FrameType)header[0];
        var length = BinaryPrimitives.ReadUInt32LittleEndian(header[1..]);
        var most = maxPayload(type);
        if (length > most) throw new ProtocolException($"A frame of type {(byte)type} has {length} bytes; {most} are allowed.");
        if (buffer.Length < GuestProtocol.HeaderBytes + length) return false;
        payload = buffer.Slice(GuestProtocol.HeaderBytes, length);
        buffer = buffer.Slice(GuestProtocol.HeaderBytes + length);
        return true;
    }

    /// <summary>Writes the header of a frame.</summary>
    public static void WriteHeader(Span<byte> header, FrameType type, int length)
    {
        header[0] = (byte)type;
        BinaryPrimitives.WriteUInt32LittleEndian(header[1..], (uint)length);
    }

    private static void SkipPadding(ref ReadOnlySequence<byte> buffer)
    {
        var reader = new SequenceReader<byte>(buffer);
        reader.AdvancePast((byte)FrameType.Padding);
        buffer = reader.UnreadSequence;
    }
}
