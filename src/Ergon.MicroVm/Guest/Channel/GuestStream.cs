using System.Buffers;
using System.IO.Pipelines;
using Ergon.Images.Layers;
using Ergon.MicroVm.Guest.Protocol;

namespace Ergon.MicroVm.Guest.Channel;

/// <summary>One output stream of a channel, on the host's side: what has come and was not yet taken. The guest cannot make it grow beyond its window.</summary>
internal sealed class GuestStream(uint channel, OutputStream kind, long position, Func<GuestStream, long, CancellationToken, ValueTask> acknowledge)
{
    // Often enough that the guest never waits while we keep up, and seldom enough to cost nothing.
    private const long AcknowledgeEvery = GuestProtocol.OutputWindow / 4;

    // The window bounds it, so the pipe itself need not.
    private readonly Pipe _pipe = new(new PipeOptions(pauseWriterThreshold: 0, useSynchronizationContext: false));
    private long _received = position;
    private long _acknowledged = position;
    private readonly Lock _lock = new();
    private long _taken;
    private bool _ended;
    private bool _closed;

    public uint Channel => channel;

    public OutputStream Kind => kind;

    /// <summary>Takes what the guest sent. Only the connection's reader calls it.</summary>
    /// <exception cref="ProtocolException">It does not continue what came before, or is more than the window allows.</exception>
    public ValueTask<FlushResult> ReceiveAsync(long offset, ReadOnlySequence<byte> bytes)
    {
        lock (_lock)
        {
            if (_closed) return default;
            if (_ended) throw new ProtocolException($"{this} goes on after its end.");
            if (offset != _received) throw new ProtocolException($"{this} goes on at {offset} instead of {_received}.");
            if (_received + bytes.Length - Volatile.Read(ref _acknowledged) > GuestProtocol.OutputWindow)
                throw new ProtocolException($"{this} has more than {GuestProtocol.OutputWindow} bytes under way.");
            _received += bytes.Length;
            foreach (var segment in bytes) _pipe.Writer.Write(segment.Span);
            return _pipe.Writer.FlushAsync();
        }
    }

    /// <summary>The guest says that this was all.</summary>
    public void End(long length)
    {
        lock (_lock)
        {
            if (_closed) return;
            if (_ended || length != _received) throw new ProtocolException($"{this} ends at {length} instead of {_received}, or twice.");
            _ended = true;
            _pipe.Writer.Complete();
        }
    }

    /// <summary>The connection or the channel is gone: what has come can still be read, then the error shows.</summary>
    public void Fail(Exception error)
    {
        lock (_lock)
        {
            if (_ended || _closed) return;
            _closed = true;
            _pipe.Writer.Complete(error);
        }
    }

    /// <summary>Copies everything to where it is safe, acknowledging it, until the end.</summary>
    public async Task CopyToAsync(Func<ReadOnlyMemory<byte>, CancellationToken, ValueTask> write, CancellationToken cancellationToken)
    {
        try
        {
            while (true)
            {
                var result = await _pipe.Reader.ReadAsync(cancellationToken);
                foreach (var segment in result.Buffer) await write(segment, cancellationToken);
                var length = result.Buffer.Length;
                _pipe.Reader.AdvanceTo(result.Buffer.End);
                await TakenAsync(length, cancellationToken);
                if (result.IsCompleted) return;
            }
        }
        finally
        {
            await _pipe.Reader.CompleteAsync();
        }
    }

    /// <summary>The stream as a <see cref="Stream"/> that acknowledges what is read.</summary>
    public Stream AsStream() => new AcknowledgingStream(this, _pipe.Reader);

    private ValueTask TakenAsync(long bytes, CancellationToken cancellationToken)
    {
        var taken = Interlocked.Add(ref _taken, bytes);
        if (taken < AcknowledgeEvery) return ValueTask.CompletedTask;
        _taken = 0;
        Volatile.Write(ref _acknowledged, _acknowledged + taken);
        return acknowledge(this, _acknowledged, cancellationToken);
    }

    public override string ToString() => $"{kind} of channel {channel}";

    private sealed class AcknowledgingStream(GuestStream owner, PipeReader reader) : ReadOnlyStream
    {
        public override async ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default)
        {
            if (buffer.IsEmpty) return 0;
            var result = await reader.ReadAsync(cancellationToken);
            var taken = (int)Math.Min(buffer.Length, result.Buffer.Length);
            var slice = result.Buffer.Slice(0, taken);
            slice.CopyTo(buffer.Span);
            reader.AdvanceTo(slice.End);
            if (taken > 0) await owner.TakenAsync(taken, cancellationToken);
            return taken;
        }

        public override int Read(Span<byte> buffer) => throw new NotSupportedException("Read it asynchronously.");

        protected override void Dispose(bool disposing)
        {
            if (disposing) reader.Complete();
            base.Dispose(disposing);
        }
    }
}
