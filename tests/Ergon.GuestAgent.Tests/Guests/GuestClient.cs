using System.Buffers;
using System.Collections.Concurrent;
using System.IO.Pipelines;
using System.Security.Cryptography;
using System.Text;
using Ergon.MicroVm.Guest.Protocol;

namespace Ergon.GuestAgent.Tests.Guests;

/// <summary>What came of one channel.</summary>
internal sealed class ReceivedChannel
{
    // Of a stream that is longer than this, only the hash is looked at.
    private const int KeptBytes = 16 * 1024 * 1024;

    private readonly MemoryStream[] _streams = [new(), new()];

    public TaskCompletionSource<ExitedMessage> Exited { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);

    public TaskCompletionSource[] Ended { get; } = [new(TaskCreationOptions.RunContinuationsAsynchronously), new(TaskCreationOptions.RunContinuationsAsynchronously)];

    public long[] Lengths { get; } = new long[2];

    public IncrementalHash[] Hashes { get; } = [IncrementalHash.CreateHash(HashAlgorithmName.SHA256), IncrementalHash.CreateHash(HashAlgorithmName.SHA256)];

    public long InputAcknowledged { get; set; }

    public string Text(int stream)
    {
        lock (_streams) return Encoding.UTF8.GetString(_streams[stream - 1].ToArray());
    }

    public byte[] Bytes(int stream)
    {
        lock (_streams) return _streams[stream - 1].ToArray();
    }

    public void Append(int stream, ReadOnlySpan<byte> bytes)
    {
        Lengths[stream - 1] += bytes.Length;
        Hashes[stream - 1].AppendData(bytes);
        lock (_streams)
            if (_streams[stream - 1].Length < KeptBytes) _streams[stream - 1].Write(bytes);
    }
}

/// <summary>A plain host: it speaks the protocol and keeps what comes.</summary>
internal sealed class GuestClient : IAsyncDisposable
{
    private static readonly TimeSpan AnswerTime = TimeSpan.FromSeconds(60);

    private readonly Stream _stream;
    private readonly byte[] _nonce = RandomNumberGenerator.GetBytes(GuestProtocol.NonceBytes);
    private readonly TaskCompletionSource<WelcomeMessage> _welcome = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly ConcurrentDictionary<uint, TaskCompletionSource<ReplyMessage>> _replies = new();
    private readonly ConcurrentDictionary<uint, ReceivedChannel> _channels = new();
    private readonly SemaphoreSlim _sending = new(1);
    private readonly Task _reading;
    private uint _lastId;

    public GuestClient(Stream stream, long stdout, long stderr)
    {
        _stream = stream;
        (Job.Lengths[0], Job.Lengths[1]) = (stdout, stderr);
        _reading = Task.WhenAll(GreetAsync(stdout, stderr), ReadAsync());
    }

    public Task<WelcomeMessage> Welcome => _welcome.Task;

    public ReceivedChannel Job => Channel(GuestProtocol.JobChannel);

    /// <summary>Whether received output is acknowledged.</summary>
    public bool Acknowledges { get; set; } = true;

    /// <summary>Called with each piece of output.</summary>
    public Action<uint, int, long>? Received { get; set; }

    public ReceivedChannel Channel(uint number) => _channels.GetOrAdd(number, _ => new ReceivedChannel());

    public Task<ReplyMessage> ConfigureAsync(GuestConfiguration configuration) => AskAsync(FrameType.Configure, w => w.Raw(configuration.Encode().Span));

    public Task<ReplyMessage> StartAsync() => AskAsync(FrameType.Start, _ => { });

    public Task<ReplyMessage> SignalAsync(byte number) => AskAsync(FrameType.Signal, w => w.Byte(number));

    public Task<ReplyMessage> KillAsync() => AskAsync(FrameType.Kill, _ => { });

    public Task<ReplyMessage> CollectAsync(uint channel) => AskAsync(FrameType.Collect, w => w.UInt32(channel));

    public async Task<GuestStats> StatsAsync() => GuestStats.Decode((await AskAsync(FrameType.Stats, _ => { })).Body.Span);

    public async Task<ReplyMessage> ExecAsync(ExecMessage message)
    {
        var id = Interlocked.Increment(ref _lastId);
        var reply = _replies[id] = new(TaskCreationOptions.RunContinuationsAsynchronously);
        await SendAsync(FrameType.Exec, (message with { Id = id }).Encode());
        return await reply.Task.WaitAsync(AnswerTime);
    }

    public Task SendAsync(FrameType type, Action<PayloadWriter> write)
    {
        var writer = new PayloadWriter();
        write(writer);
        return SendAsync(type, writer.Payload);
    }

    /// <summary>The end of a channel, with both its streams.</summary>
    public async Task<ExitedMessage> EndAsync(uint number = GuestProtocol.JobChannel, int streams = 2)
    {
        var channel = Channel(number);
        var exit = await channel.Exited.Task.WaitAsync(AnswerTime);
        for (var i = 0; i < streams; i++) await channel.Ended[i].Task.WaitAsync(AnswerTime);
        return exit;
    }

    private async Task<ReplyMessage> AskAsync(FrameType type, Action<PayloadWriter> write)
    {
        var id = Interlocked.Increment(ref _lastId);
        var reply = _replies[id] = new(TaskCreationOptions.RunContinuationsAsynchronously);
        await SendAsync(type, w =>
        {
            w.UInt32(id);
            write(w);
        });
        return await reply.Task.WaitAsync(AnswerTime);
    }

    private async Task GreetAsync(long stdout, long stderr)
    {
        await _stream.WriteAsync(new byte[GuestProtocol.MaxHostPayload + GuestProtocol.HeaderBytes]);
        var now = (DateTimeOffset.UtcNow - DateTimeOffset.UnixEpoch).Ticks * TimeSpan.NanosecondsPerTick;
        await SendAsync(FrameType.Hello, new HelloMessage(GuestProtocol.Version, _nonce, now, RandomNumberGenerator.GetBytes(64), stdout, stderr).Encode());
    }

    public async Task SendAsync(FrameType type, ReadOnlyMemory<byte> payload)
    {
        var frame = new byte[GuestProtocol.HeaderBytes + payload.Length];
        FrameParser.WriteHeader(frame, type, payload.Length);
        payload.CopyTo(frame.AsMemory(GuestProtocol.HeaderBytes));
        await SendRawAsync(frame);
    }

    public async Task SendRawAsync(ReadOnlyMemory<byte> bytes)
    {
        await _sending.WaitAsync();
        try
        {
            await _stream.WriteAsync(bytes);
        }
        finally
        {
            _sending.Release();
        }
    }

    private async Task ReadAsync()
    {
        var pipe = PipeReader.Create(_stream, new StreamPipeReaderOptions(leaveOpen: true));
        try
        {
            while (true)
            {
                var result = await pipe.ReadAsync();
                var buffer = result.Buffer;
                if (!_welcome.Task.IsCompleted && !FindWelcome(ref buffer))
                {
                    pipe.AdvanceTo(buffer.Start, buffer.End);
                    if (result.IsCompleted) return;
                    continue;
                }

                while (FrameParser.TryTake(ref buffer, _ => GuestProtocol.MaxGuestPayload, out var type, out var payload)) await HandleAsync(type, payload.ToArray());
                pipe.AdvanceTo(buffer.Start, buffer.End);
                if (result.IsCompleted) return;
            }
        }
        catch (Exception e)
        {
            // An edge: whoever waits for the guest must be told.
            Fail(e);
        }
    }

    private void Fail(Exception e)
    {
        _welcome.TrySetException(e);
        foreach (var reply in _replies.Values) reply.TrySetException(e);
        foreach (var channel in _channels.Values)
        {
            channel.Exited.TrySetException(e);
            foreach (var ended in channel.Ended) ended.TrySetException(e);
        }
    }

    // What is left of a former connection comes before it.
    private bool FindWelcome(ref ReadOnlySequence<byte> buffer)
    {
        var bytes = buffer.ToArray();
        var at = bytes.AsSpan().IndexOf(_nonce);
        if (at < GuestProtocol.HeaderBytes) return false;
        buffer = buffer.Slice(at - GuestProtocol.HeaderBytes);
        return true;
    }

    private async Task HandleAsync(FrameType type, byte[] payload)
    {
        switch (type)
        {
            case FrameType.Welcome:
                _welcome.TrySetResult(WelcomeMessage.Decode(payload));
                break;
            case FrameType.Reply:
                var reply = ReplyMessage.Decode(payload);
                if (_replies.TryRemove(reply.Id, out var waiting)) waiting.TrySetResult(reply);
                break;
            case FrameType.Output:
                await OnOutputAsync(payload);
                break;
            case FrameType.OutputEnd:
                OnOutputEnd(payload);
                break;
            case FrameType.Exited:
                var exit = ExitedMessage.Decode(payload);
                Channel(exit.Channel).Exited.TrySetResult(exit);
                break;
            case FrameType.InputAcknowledge:
                var reader = new PayloadReader(payload);
                Channel(reader.UInt32()).InputAcknowledged = reader.Int64();
                break;
            default:
                throw new ProtocolException($"The guest sent a frame of type {type}.");
        }
    }

    private async Task OnOutputAsync(byte[] payload)
    {
        var (number, stream, offset) = (BitConverter.ToUInt32(payload), payload[4], BitConverter.ToInt64(payload, 5));
        var channel = Channel(number);
        if (offset != channel.Lengths[stream - 1]) throw new ProtocolException($"Output of channel {number} continues at {offset}, not at {channel.Lengths[stream - 1]}.");
        channel.Append(stream, payload.AsSpan(13));
        Received?.Invoke(number, stream, channel.Lengths[stream - 1]);
        if (Acknowledges) await SendAsync(FrameType.Acknowledge, w => w.UInt32(number).Byte(stream).Int64(channel.Lengths[stream - 1]));
    }

    private void OnOutputEnd(byte[] payload)
    {
        var reader = new PayloadReader(payload);
        var (channel, stream) = (Channel(reader.UInt32()), reader.Byte());
        reader.Int64().Should().Be(channel.Lengths[stream - 1]);
        channel.Ended[stream - 1].TrySetResult();
    }

    public async ValueTask DisposeAsync()
    {
        await _stream.DisposeAsync();
        try
        {
            await _reading;
        }
        catch (Exception e) when (e is IOException or ObjectDisposedException)
        {
            // It was in the middle of something.
        }

        _sending.Dispose();
    }
}
