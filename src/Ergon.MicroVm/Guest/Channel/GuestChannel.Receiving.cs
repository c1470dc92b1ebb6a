using System.Buffers;
using System.IO.Pipelines;
using Ergon.MicroVm.Guest.Protocol;

namespace Ergon.MicroVm.Guest.Channel;

internal sealed partial class GuestChannel
{
    private async Task ReadAsync()
    {
        await Task.Yield();
        Exception error;
        try
        {
            while (await ReadFrameAsync(_closing.Token) is var (type, payload)) await HandleAsync(type, payload);
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

    private async ValueTask<(FrameType Type, byte[] Payload)?> ReadFrameAsync(CancellationToken cancellationToken)
    {
        while (true)
        {
            var result = await _reader.ReadAsync(cancellationToken);
            var buffer = result.Buffer;
            if (FrameParser.TryTake(ref buffer, static _ => GuestProtocol.MaxGuestPayload, out var type, out var payload))
            {
                var bytes = payload.ToArray();
                _reader.AdvanceTo(buffer.Start);
                return (type, bytes);
            }

            _reader.AdvanceTo(buffer.Start, buffer.End);
            if (result.IsCompleted) return null;
        }
    }

    private async ValueTask HandleAsync(FrameType type, byte[] payload)
    {
        switch (type)
        {
            case FrameType.Output:
                if (SessionOf(payload) is { } output) await ReceiveAsync(output, payload);
                break;
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

    private static ValueTask<FlushResult> ReceiveAsync(GuestSession session, byte[] payload)
    {
        var reader = new PayloadReader(payload);
        _ = reader.UInt32();
        var stream = session.Stream(reader.Byte());
        var offset = reader.Int64();
        return stream.ReceiveAsync(offset, new ReadOnlySequence<byte>(payload.AsMemory(payload.Length - reader.Rest().Length)));
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
