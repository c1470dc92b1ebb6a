using System.Buffers;
using System.Buffers.Binary;
using System.Net.Security;
using System.Net.Sockets;

namespace Ergon.Docker.Api;

/// <summary>A piece of output.</summary>
/// <param name="Stream">Which output it belongs to.</param>
/// <param name="Bytes">What was written; valid until the next is read.</param>
internal readonly record struct OutputPiece(OutputStream Stream, ReadOnlyMemory<byte> Bytes);

/// <summary>
/// The output of a container or a command as the Engine sends it, and the command's input. Both outputs come over one connection, each piece
/// with a header of 8 bytes: which it is, three zeros, and its length. A terminal's comes as it is.
/// </summary>
/// <param name="stream">The connection.</param>
/// <param name="owner">What must be released with it.</param>
/// <param name="multiplexed">Whether the pieces have headers.</param>
internal sealed class EngineStream(Stream stream, IDisposable? owner, bool multiplexed) : IDisposable
{
    private const int HeaderSize = 8;
    private const int BufferSize = 64 * 1024;
    private const byte Stderr = 2;

    // Whoever fills as much of it at once will fill it again.
    private const int ManyBytes = BufferSize / 4;

    // Rented only while there is something in it, or about to be: most jobs are silent most of the time.
    private byte[]? _buffer;
    private int _start;
    private int _end;
    private int _lastRead;
    private OutputStream _output = OutputStream.Stdout;
    private uint _rest;

    /// <summary>Reads what comes next; <see langword="null"/> at the end.</summary>
    /// <exception cref="EndOfStreamException">It broke off in the middle of a piece.</exception>
    public async ValueTask<OutputPiece?> ReadAsync(CancellationToken cancellationToken)
    {
        while (true)
        {
            if (multiplexed && _rest == 0 && !TakeHeader())
            {
                if (await FillAsync(cancellationToken)) continue;
                return _start == _end ? null : throw new EndOfStreamException("The Engine's stream broke off.");
            }

            if (_start < _end) return TakePiece();
            if (multiplexed && _rest == 0) continue;
            if (!await FillAsync(cancellationToken)) return multiplexed ? throw new EndOfStreamException("The Engine's stream broke off.") : null;
        }
    }

    /// <summary>Puts back what was read from the connection already.</summary>
    public void Unread(ReadOnlySpan<byte> bytes)
    {
        if (bytes.IsEmpty) return;
        _buffer = ArrayPool<byte>.Shared.Rent(Math.Max(BufferSize, bytes.Length));
        bytes.CopyTo(_buffer);
        (_start, _end) = (0, bytes.Length);
    }

    /// <summary>Writes to the command's input.</summary>
    public ValueTask WriteAsync(ReadOnlyMemory<byte> bytes, CancellationToken cancellationToken) => stream.WriteAsync(bytes, cancellationToken);

    /// <summary>Ends the command's input; its output goes on.</summary>
    public async Task CloseWriteAsync()
    {
        if (stream is SslStream secured) await secured.ShutdownAsync();
        else if (stream is NetworkStream network) network.Socket.Shutdown(SocketShutdown.Send);
        else if (stream is System.IO.Pipes.NamedPipeClientStream pipe && OperatingSystem.IsWindows()) NamedPipeEnd.Write(pipe);
    }

    public void Dispose()
    {
        // Not given back to the pool: a read may still be under way.
        (_buffer, _start, _end) = (null, 0, 0);
        stream.Dispose();
        owner?.Dispose();
    }

    private bool TakeHeader()
    {
        if (_end - _start < HeaderSize) return false;
        var header = _buffer.AsSpan(_start, HeaderSize);
        _output = header[0] == Stderr ? OutputStream.Stderr : OutputStream.Stdout;
        _rest = BinaryPrimitives.ReadUInt32BigEndian(header[4..]);
        _start += HeaderSize;
        return true;
    }

    private OutputPiece TakePiece()
    {
        var length = multiplexed ? (int)Math.Min(_rest, _end - _start) : _end - _start;
        var piece = new OutputPiece(_output, _buffer.AsMemory(_start, length));
        _start += length;
        if (multiplexed) _rest -= (uint)length;
        return piece;
    }

    // At most a part of a header is left when this is called.
    private async ValueTask<bool> FillAsync(CancellationToken cancellationToken)
    {
        GiveBackIfEmpty();

        // Waits without a buffer.
        if (_buffer is null) _ = await stream.ReadAsync(Memory<byte>.Empty, cancellationToken);
        var buffer = _buffer ??= ArrayPool<byte>.Shared.Rent(BufferSize);
        if (_start > 0) buffer.AsSpan(_start.._end).CopyTo(buffer);
        (_start, _end) = (0, _end - _start);
        _lastRead = await stream.ReadAsync(buffer.AsMemory(_end), cancellationToken);
        _end += _lastRead;
        GiveBackIfEmpty();
        return _lastRead > 0;
    }

    private void GiveBackIfEmpty()
    {
        if (_start != _end || _lastRead >= ManyBytes || _buffer is not { } used) return;
        (_buffer, _start, _end) = (null, 0, 0);
        ArrayPool<byte>.Shared.Return(used);
    }
}
