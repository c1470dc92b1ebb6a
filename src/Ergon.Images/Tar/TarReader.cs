using System.Buffers;

namespace Ergon.Images.Tar;

/// <summary>
/// Reads a tar archive that somebody else wrote: v7, ustar, pax and GNU long names. Unlike the framework's reader it keeps names and
/// extended attributes byte by byte, and it has limits.
/// </summary>
/// <remarks>The stream is not disposed of. Everything that is wrong with the archive is an <see cref="InvalidDataException"/>.</remarks>
internal sealed class TarReader(Stream stream, TarLimits limits) : IDisposable
{
    private const int Block = TarHeader.BlockSize;
    private readonly byte[] _buffer = ArrayPool<byte>.Shared.Rent(128 * 1024);
    private int _start;
    private int _end;
    private long _content;
    private long _padding;
    private long _entries;
    private long _names;

    /// <summary>The number of bytes that have been read: after <see cref="NextAsync"/>, where the entry's content begins.</summary>
    public long Position { get; private set; }

    /// <summary>Goes to the next entry, past what is left of this one's content; <see langword="null"/> at the end.</summary>
    public async ValueTask<TarEntry?> NextAsync(CancellationToken cancellationToken)
    {
        await SkipAsync(_content + _padding, cancellationToken);
        (_content, _padding) = (0, 0);
        PaxRecords? records = null;
        string? longName = null, longLink = null;
        while (await ReadBlockAsync(cancellationToken))
        {
            var header = TarHeader.Read(Peek());
            var (type, size) = (header.Type, header.Size);
            if (type is not ('x' or 'g' or 'L' or 'K'))
            {
                var entry = Describe(header, records, longName, longLink);
                Advance(Block);
                Begin(entry);
                return entry;
            }

            Advance(Block);
            switch (type)
            {
                case 'x': (records ??= new PaxRecords()).Add((await ReadExtensionAsync(size, cancellationToken)).AsSpan(0, (int)size)); break;
                case 'L': longName = ToName(await ReadExtensionAsync(size, cancellationToken)); break;
                case 'K': longLink = ToName(await ReadExtensionAsync(size, cancellationToken)); break;

                // What a global header says is not applied: no program that makes layers means it so, and none that reads them does.
                default: await ReadExtensionAsync(size, cancellationToken); break;
            }
        }

        if (records is not null || longName is not null || longLink is not null) throw Truncated();
        return null;
    }

    /// <summary>Reads of the entry's content; 0 at its end.</summary>
    public async ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken)
    {
        var chunk = await ReadChunkAsync(cancellationToken);
        var count = Math.Min(chunk.Length, buffer.Length);
        chunk[..count].CopyTo(buffer);
        Consume(count);
        return count;
    }

    /// <summary>Copies what is left of the entry's content, without copying it in memory.</summary>
    public async ValueTask CopyContentAsync(Func<ReadOnlyMemory<byte>, CancellationToken, ValueTask> write, CancellationToken cancellationToken)
    {
        while (await ReadChunkAsync(cancellationToken) is { Length: > 0 } chunk)
        {
            await write(chunk, cancellationToken);
            Consume(chunk.Length);
        }
    }

    /// <summary>Reads to the end of the stream, past the end of the archive, so that who counts or hashes the bytes has seen all.</summary>
    public async ValueTask DrainAsync(CancellationToken cancellationToken)
    {
        (_content, _padding) = (0, 0);
        do Advance(_end - _start);
        while (await FillAsync(cancellationToken));
    }

    public void Dispose() => ArrayPool<byte>.Shared.Return(_buffer);

    private TarEntry Describe(TarHeader header, PaxRecords? records, string? longName, string? longLink)
    {
        if (++_entries > limits.MaxEntries) throw new InvalidDataException($"It has more than {limits.MaxEntries} entries.");
        var name = records?.Path ?? longName ?? header.Name;
        if (header.Type == 'S' || records?.IsSparse == true) throw new InvalidDataException($"The entry '{FileName.Show(name)}' is a sparse file, a form of GNU tar that images do not have. Pack it without --sparse.");
        EntryType type = header.Type switch
        {
            // Before ustar, a directory was a file the name of which ends with a slash.
            '0' or '\0' or '7' => name.EndsWith('/') ? EntryType.Directory : EntryType.File,
            '1' => EntryType.HardLink,
            '2' => EntryType.SymbolicLink,
            '3' => EntryType.CharacterDevice,
            '4' => EntryType.BlockDevice,
            '5' => EntryType.Directory,
            '6' => EntryType.Fifo,
            var other => throw new InvalidDataException($"The entry '{FileName.Show(name)}' is of the kind '{(char.IsAsciiLetterOrDigit(other) ? other : '?')}', which is not known."),
        };
        var entry = new TarEntry
        {
            Type = type,
            Name = name,
            LinkName = type is EntryType.HardLink or EntryType.SymbolicLink ? records?.LinkPath ?? longLink ?? header.LinkName : "",
            Attributes = new EntryAttributes(header.Mode, records?.UserId ?? header.UserId, records?.GroupId ?? header.GroupId, records?.ModifiedSeconds ?? header.ModifiedSeconds),
            Size = type == EntryType.File ? records?.Size ?? header.Size : 0,
            DeviceMajor = type is EntryType.CharacterDevice or EntryType.BlockDevice ? header.DeviceMajor : 0,
            DeviceMinor = type is EntryType.CharacterDevice or EntryType.BlockDevice ? header.DeviceMinor : 0,
            ExtendedAttributes = records?.ExtendedAttributes ?? [],
        };
        Count(entry);
        return entry;
    }

    private void Count(TarEntry entry)
    {
        if (entry.Name.Length > FileName.MaxPath || entry.LinkName.Length > FileName.MaxPath) throw new InvalidDataException($"The name of an entry is longer than {FileName.MaxPath} bytes.");
        _names += entry.Name.Length + entry.LinkName.Length;
        foreach (var attribute in entry.ExtendedAttributes) _names += attribute.Name.Length + attribute.Value.Length;
        if (_names > limits.MaxNames) throw new InvalidDataException($"The names and extended attributes have more than {limits.MaxNames} bytes.");
    }

    private void Begin(TarEntry entry)
    {
        if (entry.Size > limits.MaxBytes - Position) throw TooLarge();
        _content = entry.Size;
        _padding = -entry.Size & (Block - 1);
    }

    private async ValueTask<byte[]> ReadExtensionAsync(long size, CancellationToken cancellationToken)
    {
        if (size > limits.MaxExtendedHeader) throw new InvalidDataException($"An extended header has {size} bytes; at most {limits.MaxExtendedHeader} are read.");
        var bytes = new byte[size];
        for (var read = 0; read < size;)
        {
            if (_start == _end && !await FillAsync(cancellationToken)) throw Truncated();
            var count = Math.Min((int)size - read, _end - _start);
            _buffer.AsSpan(_start, count).CopyTo(bytes.AsSpan(read));
            Advance(count);
            read += count;
        }

        await SkipAsync(-size & (Block - 1), cancellationToken);
        return bytes;
    }

    private static string ToName(byte[] bytes)
    {
        var end = Array.IndexOf(bytes, (byte)0);
        return FileName.Encoding.GetString(bytes, 0, end < 0 ? bytes.Length : end);
    }

    private ReadOnlySpan<byte> Peek() => _buffer.AsSpan(_start, Block);

    /// <summary>Has the next header block in the buffer; false at the end of the archive, which is a block of zeros or the end of the stream.</summary>
    private async ValueTask<bool> ReadBlockAsync(CancellationToken cancellationToken)
    {
        while (_end - _start < Block)
        {
            if (await FillAsync(cancellationToken)) continue;
            return _end == _start ? false : throw Truncated();
        }

        return Peek().IndexOfAnyExcept((byte)0) >= 0;
    }

    private async ValueTask<ReadOnlyMemory<byte>> ReadChunkAsync(CancellationToken cancellationToken)
    {
        if (_content == 0) return default;
        if (_start == _end && !await FillAsync(cancellationToken)) throw Truncated();
        return _buffer.AsMemory(_start, (int)Math.Min(_content, _end - _start));
    }

    private void Consume(int count)
    {
        Advance(count);
        _content -= count;
    }

    private async ValueTask SkipAsync(long count, CancellationToken cancellationToken)
    {
        var buffered = (int)Math.Min(count, _end - _start);
        Advance(buffered);
        count -= buffered;
        if (count > 0 && stream.CanSeek)
        {
            if (count > stream.Length - stream.Position) throw Truncated();
            stream.Seek(count, SeekOrigin.Current);
            Position += count;
            return;
        }

        while (count > 0)
        {
            if (!await FillAsync(cancellationToken)) throw Truncated();
            buffered = (int)Math.Min(count, _end - _start);
            Advance(buffered);
            count -= buffered;
        }
    }

    private void Advance(int count)
    {
        _start += count;
        Position += count;
        if (Position > limits.MaxBytes) throw TooLarge();
    }

    private async ValueTask<bool> FillAsync(CancellationToken cancellationToken)
    {
        if (_start == _end) (_start, _end) = (0, 0);
        else if (_start > 0 && _buffer.Length - _end < Block)
        {
            Buffer.BlockCopy(_buffer, _start, _buffer, 0, _end - _start);
            (_start, _end) = (0, _end - _start);
        }

        var read = await stream.ReadAsync(_buffer.AsMemory(_end), cancellationToken);
        _end += read;
        return read > 0;
    }

    private InvalidDataException TooLarge() => new($"It has more than {limits.MaxBytes} bytes.");

    private static InvalidDataException Truncated() => new("It ends in the middle of an entry: it was cut off.");
}
