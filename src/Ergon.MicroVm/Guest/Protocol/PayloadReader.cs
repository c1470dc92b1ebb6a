using System.Buffers.Binary;
using System.Text;

namespace Ergon.MicroVm.Guest.Protocol;

/// <summary>Reads a payload of the other side, which is not trusted: whatever is wrong is a <see cref="ProtocolException"/>.</summary>
internal ref struct PayloadReader(ReadOnlySpan<byte> payload)
{
    private static readonly UTF8Encoding Strict = new(encoderShouldEmitUTF8Identifier: false, throwOnInvalidBytes: true);

    public delegate T ItemReader<T>(ref PayloadReader reader);

    private ReadOnlySpan<byte> _rest = payload;

    public byte Byte() => Take(1)[0];

    public bool Flag() => Byte() switch
    {
        0 => false,
        1 => true,
        var other => throw new ProtocolException($"A flag has the value {other}."),
    };

    public uint UInt32() => BinaryPrimitives.ReadUInt32LittleEndian(Take(4));

    public int Int32() => (int)UInt32();

    public long Int64() => BinaryPrimitives.ReadInt64LittleEndian(Take(8));

    public ReadOnlySpan<byte> Bytes() => Take(UInt32());

    public ReadOnlySpan<byte> Raw(int count) => Take((uint)count);

    public string Text()
    {
        try
        {
            return Strict.GetString(Bytes());
        }
        catch (DecoderFallbackException e)
        {
            throw new ProtocolException($"A text is not UTF-8: {e.Message}");
        }
    }

    public string? OptionalText() => Flag() ? Text() : null;

    public long? OptionalInt64() => Flag() ? Int64() : null;

    public IReadOnlyList<T> List<T>(ItemReader<T> read)
    {
        var count = UInt32();
        // Every item has at least one byte, so a count that lies cannot make us allocate.
        if (count > _rest.Length) throw new ProtocolException($"A list of {count} items does not fit into the {_rest.Length} bytes that are left.");
        var items = new List<T>((int)count);
        for (var i = 0; i < count; i++) items.Add(read(ref this));
        return items;
    }

    public IReadOnlyList<string> Texts() => List(static (ref PayloadReader r) => r.Text());

    /// <summary>Everything that is left.</summary>
    public ReadOnlySpan<byte> Rest()
    {
        var rest = _rest;
        _rest = default;
        return rest;
    }

    /// <summary>Checks that nothing is left.</summary>
    public readonly void End()
    {
        if (!_rest.IsEmpty) throw new ProtocolException($"A payload has {_rest.Length} bytes too many.");
    }

    private ReadOnlySpan<byte> Take(uint count)
    {
        if (count > (uint)_rest.Length) throw new ProtocolException($"A payload ends {count - (uint)_rest.Length} bytes too early.");
        var taken = _rest[..(int)count];
        _rest = _rest[(int)count..];
        return taken;
    }
}
