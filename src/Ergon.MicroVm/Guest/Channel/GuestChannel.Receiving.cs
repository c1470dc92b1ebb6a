using System.Buffers;
using System.IO.Pipelines;
using Ergon.MicroVm.Guest.Protocol;

namespace Ergon.MicroVm.Guest.Channel;

internal sealed partial class GuestChannel
{
    // Channel, stream and offset.
    private const int OutputHeaderBytes = sizeof(uint) + sizeof(byte) + sizeof(long);

    private async Task ReadAsync()
    {
        await Task.Yield();
        Exception error;
        try
        {
            while (await ReadFrameAsync(HandleAsync, _closing.Token))
            {
            }

            error = new IOException("The guest ended the connection.");
        }
        catch (OperationCanceledException)
        {
            error = new IOException("The connection to the guest was closed.");
        }
        catch (Exception e) when (e is IOException or ObjectDisposedException)
        {
            error = e;
        }

        _error = error;
        foreach (var session in _sessions.Values) session.Fail(error);
        foreach (var reply in _replies.Values) reply.TrySetException(new IOException(error.Message, error));
    }

    // Handles one frame, and only then lets go of its bytes; false at the end of the connection.
    private async ValueTask<bool> ReadFrameAsync(Func<FrameType, ReadOnlySequence<byte>, ValueTask> handle, CancellationToken cancellationToken)
    {
        while (true)
        {
            var result = await _reader.ReadAsync(cancellationToken);
            var buffer = result.Buffer;
            if (FrameParser.TryTake(ref buffer, static _ => GuestProtocol.MaxGuestPayload, out var type, out var payload))
            {
                await handle(type, payload);
                _reader.AdvanceTo(buffer.Start);
                return true;
            }

            _reader.AdvanceTo(buffer.Start, buffer.End);
            if (result.IsCompleted) return false;
        }
    }

    private async ValueTask HandleAsync(FrameType type, ReadOnlySequence<byte> payload)
    {
        // Output is most of what comes: it is copied once, into its stream.
        if (type == FrameType.Output) await ReceiveAsync(payload);
        else Handle(type, payload.ToArray());
    }

    private void Handle(FrameType type, byte[] payload)
    {
        switch (type)
        {
            case FrameType.OutputEnd:
                if (SessionOf(payload) is { } ended) EndStream(ended, payload);
                break;
            case FrameType.Exited:
                var exited = ExitedMessage.Decode(payload);
                if (_sessions.TryGetValue(exited.Channel, out var session)) session.End(exited);
                break;
            case FrameType.InputAcknowledge:
                if (SessionOf(payload) is { } taken) AcknowledgeInput(taken, payload);
                break;
            case FrameType.Reply:
                var reply = ReplyMessage.Decode(payload);
                if (_replies.TryGetValue(reply.Id, out var waiting)) waiting.TrySetResult(reply);
                break;
            default:
                throw new ProtocolException($"The guest sends a frame of type {(byte)type}.");
        }
    }

    // Frames of a channel that was closed here may be under way.
    private GuestSession? SessionOf(byte[] payload) => _sessions.GetValueOrDefault(new PayloadReader(payload).UInt32());

    private ValueTask<FlushResult> ReceiveAsync(ReadOnlySequence<byte> payload)
    {
        Span<byte> header = stackalloc byte[OutputHeaderBytes];
        header = header[..(int)Math.Min(payload.Length, OutputHeaderBytes)];
        payload.Slice(0, header.Length).CopyTo(header);
        var reader = new PayloadReader(header);
        if (!_sessions.TryGetValue(reader.UInt32(), out var session)) return default;
        var stream = session.Stream(reader.Byte());
        return stream.ReceiveAsync(reader.Int64(), payload.Slice(OutputHeaderBytes));
    }

    private static void EndStream(GuestSession session, byte[] payload)
    {
        var reader = new PayloadReader(payload);
        _ = reader.UInt32();
        var stream = session.Stream(reader.Byte());
        stream.End(reader.Int64());
        reader.End();
    }

    private static void AcknowledgeInput(GuestSession session, byte[] payload)
    {
        var reader = new PayloadReader(payload);
        _ = reader.UInt32();
        session.AcknowledgeInput(reader.Int64());
        reader.End();
    }
}
