using System.Buffers.Binary;
using Ergon.MicroVm.Guest.Protocol;

namespace Ergon.MicroVm.Guest.Channel;

/// <summary>A command that runs beside the job in a guest.</summary>
internal sealed class GuestExecSession : IExecSession
{
    private readonly GuestChannel _channel;
    private readonly GuestSession _session;
    private readonly bool _terminal;

    private GuestExecSession(GuestChannel channel, GuestSession session, ExecRequest request)
    {
        (_channel, _session, _terminal) = (channel, session, request.Terminal is not null);
        StandardInput = request.Stdin ? new InputStream(channel, session) : Stream.Null;
        StandardOutput = session.Stdout.AsStream();
        StandardError = session.Stderr.AsStream();
    }

    public Stream StandardInput { get; }

    public Stream StandardOutput { get; }

    public Stream StandardError { get; }

    /// <summary>Starts a command.</summary>
    /// <exception cref="ExecutorException">The guest refuses it.</exception>
    public static async Task<IExecSession> StartAsync(GuestChannel channel, ExecRequest request, CancellationToken cancellationToken)
    {
        var size = request.Terminal ?? default;
        var environment = request.Environment.Select(pair => $"{pair.Key}={pair.Value}").ToArray();
        var (session, reply) = await channel.OpenAsync(
            FrameType.Exec,
            (id, number) => new ExecMessage(
                id, number, request.Command, environment, request.WorkingDirectory, request.Stdin, request.Terminal is not null, size.Columns, size.Rows).Encode(),
            cancellationToken);
        if (reply.Code == ReplyCode.Done) return new GuestExecSession(channel, session, request);
        await channel.CloseAsync(session);
        throw new ExecutorException(
            reply.Code == ReplyCode.Invalid ? ErrorCode.InvalidRequest : ErrorCode.BackendFailed, $"The command could not be started inside: {reply.Message}");
    }

    public async Task<int> WaitAsync(CancellationToken cancellationToken = default)
    {
        var exited = await _session.Exited.WaitAsync(cancellationToken);
        return exited.ExitCode ?? 128 + exited.Signal!.Value;
    }

    public async Task ResizeAsync(TerminalSize size, CancellationToken cancellationToken = default)
    {
        if (!_terminal) throw new ExecutorException(ErrorCode.InvalidState, "The command has no terminal to resize; ask for one in the exec request.");
        await _channel.SendAsync(FrameType.Resize, new PayloadWriter().UInt32(_session.Id).Int32(size.Columns).Int32(size.Rows).Payload, cancellationToken);
    }

    public async ValueTask DisposeAsync()
    {
        await _channel.CloseAsync(_session);
        await StandardInput.DisposeAsync();
        await StandardOutput.DisposeAsync();
        await StandardError.DisposeAsync();
    }

    private sealed class InputStream(GuestChannel channel, GuestSession session) : Stream
    {
        private const int MaxBytes = GuestProtocol.MaxHostPayload - sizeof(uint);

        private bool _ended;

        public override bool CanRead => false;

        public override bool CanSeek => false;

        public override bool CanWrite => true;

        public override long Length => throw new NotSupportedException();

        public override long Position
        {
            get => throw new NotSupportedException();
            set => throw new NotSupportedException();
        }

        public override async ValueTask WriteAsync(ReadOnlyMemory<byte> buffer, CancellationToken cancellationToken = default)
        {
            ObjectDisposedException.ThrowIf(_ended, this);
            while (!buffer.IsEmpty)
            {
                var count = await session.ReserveInputAsync(Math.Min(buffer.Length, MaxBytes), cancellationToken);
                if (count == 0) throw new IOException("The command has ended and reads no more input.");
                var payload = new byte[sizeof(uint) + count];
                BinaryPrimitives.WriteUInt32LittleEndian(payload, session.Id);
                buffer.Span[..count].CopyTo(payload.AsSpan(sizeof(uint)));
                await channel.SendAsync(FrameType.Input, payload, cancellationToken);
                buffer = buffer[count..];
            }
        }

        public override Task WriteAsync(byte[] buffer, int offset, int count, CancellationToken cancellationToken) =>
            WriteAsync(buffer.AsMemory(offset, count), cancellationToken).AsTask();

        public override void Write(byte[] buffer, int offset, int count) => throw new NotSupportedException("Write it asynchronously.");

        public override void Flush()
        {
        }

        public override int Read(byte[] buffer, int offset, int count) => throw new NotSupportedException();

        public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();

        public override void SetLength(long value) => throw new NotSupportedException();

        public override async ValueTask DisposeAsync()
        {
            if (!_ended)
            {
                _ended = true;
                try
                {
                    if (!session.Exited.IsCompleted) await channel.SendAsync(FrameType.InputEnd, new PayloadWriter().UInt32(session.Id).Payload, CancellationToken.None);
                }
                catch (IOException)
                {
                    // The connection is lost, and with it the command.
                }
            }

            await base.DisposeAsync();
        }

        protected override void Dispose(bool disposing)
        {
            // The end of the input is a frame, which is sent asynchronously: whoever disposes synchronously waits for nothing.
            if (disposing && !_ended) _ = DisposeAsync().AsTask();
            base.Dispose(disposing);
        }
    }
}
