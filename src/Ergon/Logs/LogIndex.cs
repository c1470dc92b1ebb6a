using System.Buffers.Binary;

namespace Ergon.Logs;

/// <summary>
/// One record of a log's index: which stream the next bytes belong to, how many they are, and when they were read. The bytes
/// themselves lie in one plain file per stream, so that they are written once and can be handed out as they are.
/// </summary>
internal readonly record struct LogIndexRecord(OutputStream Stream, int Length, DateTimeOffset Timestamp)
{
    /// <summary>The size of an encoded record, in bytes.</summary>
    public const int Size = 16;

    /// <summary>Encodes the record: 8 bytes ticks (UTC), 4 bytes length, 1 byte stream, 1 byte zero, 2 bytes check sum; little-endian.</summary>
    public void Write(Span<byte> destination)
    {
        BinaryPrimitives.WriteInt64LittleEndian(destination, Timestamp.UtcTicks);
        BinaryPrimitives.WriteInt32LittleEndian(destination[8..], Length);
        destination[12] = (byte)Stream;
        destination[13] = 0;
        BinaryPrimitives.WriteUInt16LittleEndian(destination[14..], CheckSum(destination[..14]));
    }

    /// <summary>Decodes a record; <see langword="false"/> when the bytes are not one, as after a crash in the middle of a write.</summary>
    public static bool TryRead(ReadOnlySpan<byte> source, out LogIndexRecord record)
    {
        record = default;
        if (source.Length < Size || BinaryPrimitives.ReadUInt16LittleEndian(source[14..]) != CheckSum(source[..14])) return false;
        var ticks = BinaryPrimitives.ReadInt64LittleEndian(source);
        var length = BinaryPrimitives.ReadInt32LittleEndian(source[8..]);
        var stream = (OutputStream)source[12];
        if (ticks < 0 || ticks > DateTime.MaxValue.Ticks || length <= 0) return false;
        if (stream is not (OutputStream.Stdout or OutputStream.Stderr)) return false;
        record = new LogIndexRecord(stream, length, new DateTimeOffset(ticks, TimeSpan.Zero));
        return true;
    }

    // FNV-1a folded to 16 bits: it has to find torn and zeroed records, not attackers.
    private static ushort CheckSum(ReadOnlySpan<byte> bytes)
    {
        var hash = 2166136261u;
        foreach (var b in bytes) hash = (hash ^ b) * 16777619u;
        return (ushort)(hash ^ (hash >> 16));
    }
}

/// <summary>How much of a log there is: the number of records and the bytes of each stream that they cover.</summary>
internal readonly record struct LogPosition(long Records, long StdoutBytes, long StderrBytes)
{
    public long BytesOf(OutputStream stream) => stream == OutputStream.Stdout ? StdoutBytes : StderrBytes;

    public LogPosition After(LogIndexRecord record) => record.Stream == OutputStream.Stdout
        ? this with { Records = Records + 1, StdoutBytes = StdoutBytes + record.Length }
        : this with { Records = Records + 1, StderrBytes = StderrBytes + record.Length };
}
