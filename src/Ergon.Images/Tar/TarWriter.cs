using System.Buffers;
using System.Globalization;

namespace Ergon.Images.Tar;

/// <summary>Writes a tar archive: ustar, with pax extended headers where that is not enough.</summary>
internal sealed class TarWriter(Stream stream) : IDisposable
{
    private const int Block = TarHeader.BlockSize;
    private const int NameField = 100;
    private const long MaxOctal12 = (1L << 33) - 1;
    private const uint MaxOctal8 = (1 << 21) - 1;
    private readonly byte[] _buffer = ArrayPool<byte>.Shared.Rent(128 * 1024);
    private int _used;
    private long _content;
    private long _padding;

    /// <summary>Whether it was the stream that failed, and not what was to be written.</summary>
    public bool StreamFailed { get; private set; }

    /// <summary>Begins an entry; its content, if it has any, follows in full before the next one.</summary>
    public async ValueTask WriteHeaderAsync(TarEntry entry, CancellationToken cancellationToken)
    {
        if (_content != 0) throw new InvalidOperationException("The content of the entry before is not complete.");
        await WriteZerosAsync(_padding, cancellationToken);
        if (ExtendedHeader(entry) is { } records)
        {
            await WriteBlockAsync(entry with { Name = "pax", LinkName = "", Size = records.Length, Attributes = default }, 'x', cancellationToken);
            await AppendAsync(records, cancellationToken);
            await WriteZerosAsync(-records.Length & (Block - 1), cancellationToken);
        }

        await WriteBlockAsync(entry, TypeOf(entry.Type), cancellationToken);
        (_content, _padding) = (entry.Size, -entry.Size & (Block - 1));
    }

    /// <summary>Writes of the entry's content.</summary>
    public async ValueTask WriteAsync(ReadOnlyMemory<byte> data, CancellationToken cancellationToken)
    {
        if (data.Length > _content) throw new InvalidOperationException("There is more content than the entry's header said.");
        _content -= data.Length;
        await AppendAsync(data, cancellationToken);
    }

    /// <summary>Ends the archive.</summary>
    public async ValueTask FinishAsync(CancellationToken cancellationToken)
    {
        if (_content != 0) throw new InvalidOperationException("The content of the last entry is not complete.");
        await WriteZerosAsync(_padding + (2 * Block), cancellationToken);
        await FlushAsync(cancellationToken);
    }

    public void Dispose() => ArrayPool<byte>.Shared.Return(_buffer);

    private async ValueTask AppendAsync(ReadOnlyMemory<byte> data, CancellationToken cancellationToken)
    {
        if (data.Length > _buffer.Length - _used) await FlushAsync(cancellationToken);
        if (data.Length >= _buffer.Length / 2)
        {
            await FlushAsync(cancellationToken);
            await PassOnAsync(data, cancellationToken);
            return;
        }

        data.CopyTo(_buffer.AsMemory(_used));
        _used += data.Length;
    }

    private async ValueTask WriteZerosAsync(long count, CancellationToken cancellationToken)
    {
        if (count == 0) return;
        if (count > _buffer.Length - _used) await FlushAsync(cancellationToken);
        _buffer.AsSpan(_used, (int)count).Clear();
        _used += (int)count;
    }

    private async ValueTask FlushAsync(CancellationToken cancellationToken)
    {
        if (_used > 0) await PassOnAsync(_buffer.AsMemory(0, _used), cancellationToken);
        _used = 0;
    }

    private async ValueTask PassOnAsync(ReadOnlyMemory<byte> data, CancellationToken cancellationToken)
    {
        try
        {
            await stream.WriteAsync(data, cancellationToken);
        }
        catch (IOException)
        {
            StreamFailed = true;
            throw;
        }
    }

    private async ValueTask WriteBlockAsync(TarEntry entry, char type, CancellationToken cancellationToken)
    {
        if (_buffer.Length - _used < Block) await FlushAsync(cancellationToken);
        Fill(_buffer.AsSpan(_used, Block), entry, type);
        _used += Block;
    }

    private static void Fill(Span<byte> block, TarEntry entry, char type)
    {
        block.Clear();
        Text(block[..NameField], entry.Name);
        Octal(block.Slice(100, 8), entry.Attributes.Mode);
        Octal(block.Slice(108, 8), Math.Min(entry.Attributes.UserId, MaxOctal8));
        Octal(block.Slice(116, 8), Math.Min(entry.Attributes.GroupId, MaxOctal8));
        Octal(block.Slice(124, 12), Math.Min(entry.Size, MaxOctal12));
        Octal(block.Slice(136, 12), Math.Clamp(entry.Attributes.ModifiedSeconds, 0, MaxOctal12));
        block[156] = (byte)type;
        Text(block.Slice(157, NameField), entry.LinkName);
        "ustar\0"u8.CopyTo(block[257..]);
        "00"u8.CopyTo(block[263..]);
        Octal(block.Slice(329, 8), entry.DeviceMajor);
        Octal(block.Slice(337, 8), entry.DeviceMinor);
        block.Slice(148, 8).Fill((byte)' ');
        var sum = 0;
        foreach (var b in block) sum += b;
        Octal(block.Slice(148, 7), sum);
    }

    private static void Text(Span<byte> field, string text)
    {
        var length = Math.Min(text.Length, field.Length);
        FileName.Encoding.GetBytes(text.AsSpan(0, length), field);
    }

    private static void Octal(Span<byte> field, long value)
    {
        for (var i = field.Length - 2; i >= 0; i--, value >>= 3) field[i] = (byte)('0' + (int)(value & 7));
    }

    private static byte[]? ExtendedHeader(TarEntry entry)
    {
        var (attributes, records) = (entry.Attributes, new MemoryStream());
        if (entry.Name.Length > NameField) Record(records, "path", FileName.Encoding.GetBytes(entry.Name));
        if (entry.LinkName.Length > NameField) Record(records, "linkpath", FileName.Encoding.GetBytes(entry.LinkName));
        if (entry.Size > MaxOctal12) Number(records, "size", entry.Size);
        if (attributes.UserId > MaxOctal8) Number(records, "uid", attributes.UserId);
        if (attributes.GroupId > MaxOctal8) Number(records, "gid", attributes.GroupId);
        if (attributes.ModifiedSeconds is < 0 or > MaxOctal12) Number(records, "mtime", attributes.ModifiedSeconds);
        foreach (var attribute in entry.ExtendedAttributes) Record(records, "SCHILY.xattr." + attribute.Name, attribute.Value);
        return records.Length == 0 ? null : records.ToArray();
    }

    private static void Number(MemoryStream records, string key, long value) =>
        Record(records, key, FileName.Encoding.GetBytes(value.ToString(CultureInfo.InvariantCulture)));

    private static void Record(MemoryStream records, string key, ReadOnlySpan<byte> value)
    {
        // The length counts its own digits.
        var keyBytes = System.Text.Encoding.UTF8.GetBytes(key);
        var rest = keyBytes.Length + value.Length + 3;
        var length = rest + 1;
        while (length.ToString(CultureInfo.InvariantCulture).Length + rest != length) length++;
        records.Write(FileName.Encoding.GetBytes($"{length} "));
        records.Write(keyBytes);
        records.WriteByte((byte)'=');
        records.Write(value);
        records.WriteByte((byte)'\n');
    }

    private static char TypeOf(EntryType type) => type switch
    {
        EntryType.File => '0',
        EntryType.HardLink => '1',
        EntryType.SymbolicLink => '2',
        EntryType.CharacterDevice => '3',
        EntryType.BlockDevice => '4',
        EntryType.Directory => '5',
        _ => '6',
    };
}
