using System.Buffers;
using System.Buffers.Binary;
using System.Text;

namespace Ergon.MicroVm.Guest.Protocol;

/// <summary>Writes a payload: little-endian numbers; texts and bytes with their length in four bytes before them.</summary>
internal sealed class PayloadWriter
{
    private readonly ArrayBufferWriter<byte> _buffer = new(256);

    public ReadOnlyMemory<byte> Payload => _buffer.WrittenMemory;

    public PayloadWriter Byte(byte value)
    {
        _buffer.GetSpan(1)[0] = value;
        _buffer.Advance(1);
        return this;
    }

    public PayloadWriter Flag(bool value) => Byte(value ? (byte)1 : (byte)0);

    public PayloadWriter UInt32(uint value)
    {
        BinaryPrimitives.WriteUInt32LittleEndian(_buffer.GetSpan(4), value);
        _buffer.Advance(4);
        return this;
    }

    public PayloadWriter Int32(int value) => UInt32((uint)value);

    public PayloadWriter Int64(long value)
    {
        BinaryPrimitives.WriteInt64LittleEndian(_buffer.GetSpan(8), value);
        _buffer.Advance(8);
        return this;
    }

    public PayloadWriter Raw(ReadOnlySpan<byte> value)
    {
        _buffer.Write(value);
        return this;
    }

    public PayloadWriter Bytes(ReadOnlySpan<byte> value) => UInt32((uint)value.Length).Raw(value);

    public PayloadWriter Text(string value)
    {
        var length = Encoding.UTF8.GetByteCount(value);
        UInt32((uint)length);
        Encoding.UTF8.GetBytes(value, _buffer.GetSpan(length));
        _buffer.Advance(length);
        return this;
    }

    public PayloadWriter OptionalText(string? value)
    {
        Flag(value is not null);
        return value is null ? this : Text(value);
    }

    public PayloadWriter OptionalInt64(long? value)
    {
        Flag(value is not null);
        return value is { } number ? Int64(number) : this;
    }

    public PayloadWriter List<T>(IReadOnlyCollection<T> items, Action<PayloadWriter, T> write)
    {
        UInt32((uint)items.Count);
        foreach (var item in items) write(this, item);
        return this;
    }

    public PayloadWriter Texts(IReadOnlyCollection<string> items) => List(items, static (w, item) => w.Text(item));
}
