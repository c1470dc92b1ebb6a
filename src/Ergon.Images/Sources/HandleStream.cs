using Ergon.Images.Layers;
using Microsoft.Win32.SafeHandles;

namespace Ergon.Images.Sources;

/// <summary>A part of an open file. Any number of them read one handle, which they do not own.</summary>
internal sealed class HandleStream(SafeFileHandle handle, long offset, long length) : ReadOnlyStream
{
    private long _position;

    public override bool CanSeek => true;

    public override long Length => length;

    public override long Position
    {
        get => _position;
        set => _position = value >= 0 ? value : throw new ArgumentOutOfRangeException(nameof(value));
    }

    public override int Read(Span<byte> buffer) => Advance(RandomAccess.Read(handle, Limit(buffer), offset + _position), buffer.Length);

    // Files are read from the page cache most of the time; the thread pool's detour costs more than it gains.
    public override ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default)
    {
        cancellationToken.ThrowIfCancellationRequested();
        return new(Read(buffer.Span));
    }

    public override long Seek(long offset, SeekOrigin origin) => Position = origin switch
    {
        SeekOrigin.Begin => offset,
        SeekOrigin.Current => _position + offset,
        _ => length + offset,
    };

    private Span<byte> Limit(Span<byte> buffer) => buffer[..(int)Math.Clamp(length - _position, 0, buffer.Length)];

    private int Advance(int read, int asked)
    {
        if (read == 0 && asked > 0 && _position < length) throw new InvalidDataException("It became shorter while it was read.");
        _position += read;
        return read;
    }
}
