using System.Buffers;
using System.Collections.Concurrent;
using System.IO.Pipelines;
using System.Security.Cryptography;
using Ergon.MicroVm.Guest.Protocol;

namespace Ergon.MicroVm.Guest.Channel;

/// <summary>
/// A connection to the agent in a guest. The guest is not trusted: what it sends can fail this connection, and nothing else.
/// </summary>
internal sealed partial class GuestChannel : IAsyncDisposable
{
    private const int EntropyBytes = 64;
    private const int ReadBufferBytes = 256 * 1024;
    private const int MaxSessions = 256;

    private static readonly TimeSpan ReplyDeadline = TimeSpan.FromSeconds(30);

    private readonly Stream _stream;
    private readonly PipeReader _reader;
    private readonly TimeProvider _time;
    private readonly SemaphoreSlim _sending = new(1);
    private readonly CancellationTokenSource _closing = new();
    private readonly ConcurrentDictionary<uint, TaskCompletionSource<ReplyMessage>> _replies = new();
    private readonly ConcurrentDictionary<uint, GuestSession> _sessions = new();
    private Task _reading = Task.CompletedTask;
    private volatile Exception? _error;
    private uint _lastRequest;
    private uint _lastChannel;

    private GuestChannel(Stream stream, long stdout, long stderr, TimeProvider time)
    {
        (_stream, _time) = (stream, time);
        _reader = PipeReader.Create(stream, new StreamPipeReaderOptions(bufferSize: ReadBufferBytes, minimumReadSize: 4096));
        Job = new GuestSession(GuestProtocol.JobChannel, stdout, stderr, AcknowledgeAsync);
        _sessions[Job.Id] = Job;
    }

    /// <summary>The job's own channel.</summary>
    public GuestSession Job { get; }

    /// <summary>What the guest said of itself.</summary>
    public WelcomeMessage Welcome { get; private set; } = new(0, default, GuestState.Booted, "", 0, 0);

    /// <summary>Completes when the connection is lost or closed; never fails.</summary>
    public Task Closed => _reading;

    /// <summary>Greets the agent on a stream, which the connection then owns, and waits for the answer.</summary>
    /// <param name="stream">A stream that leads to the agent.</param>
    /// <param name="stdout">How much of the job's stdout the host has already.</param>
    /// <param name="stderr">How much of the job's stderr the host has already.</param>
    /// <param name="time">The clock that the guest is given.</param>
    /// <param name="cancellationToken">Bounds the waiting.</param>
    /// <exception cref="IOException">The stream ended, or what answers is no agent of this version.</exception>
    public static async Task<GuestChannel> ConnectAsync(Stream stream, long stdout, long stderr, TimeProvider time, CancellationToken cancellationToken)
    {
        var channel = new GuestChannel(stream, stdout, stderr, time);
        try
        {
            await channel.GreetAsync(stdout, stderr, cancellationToken);
            channel._reading = channel.ReadAsync();
            return channel;
        }
        catch
        {
            await channel.DisposeAsync();
            throw;
        }
    }

    private async Task GreetAsync(long stdout, long stderr, CancellationToken cancellationToken)
    {
        var nonce = RandomNumberGenerator.GetBytes(GuestProtocol.NonceBytes);
        var now = (_time.GetUtcNow() - DateTimeOffset.UnixEpoch).Ticks * TimeSpan.NanosecondsPerTick;
        var hello = new HelloMessage(GuestProtocol.Version, nonce, now, RandomNumberGenerator.GetBytes(EntropyBytes), stdout, stderr);
        await _stream.WriteAsync(new byte[GuestProtocol.HeaderBytes + GuestProtocol.MaxHostPayload], cancellationToken);
        await SendAsync(FrameType.Hello, hello.Encode(), cancellationToken);
        await SkipToAsync(nonce, cancellationToken);
        var answered = await ReadFrameAsync(
            (type, payload) =>
            {
                if (type != FrameType.Welcome) throw new ProtocolException($"The guest answers a greeting with a frame of type {(byte)type}.");
                Welcome = WelcomeMessage.Decode(payload.ToArray());
                return ValueTask.CompletedTask;
            },
            cancellationToken);
        if (!answered) throw new IOException("The guest ended the connection instead of answering.");
        if (Welcome.Version != GuestProtocol.Version)
            throw new ProtocolException($"The agent in the guest speaks version {Welcome.Version} of the protocol, and this is version {GuestProtocol.Version}.");
    }

    // What a former host was to get may come first.
    private async Task SkipToAsync(byte[] nonce, CancellationToken cancellationToken)
    {
        while (true)
        {
            var result = await _reader.ReadAsync(cancellationToken);
            var buffer = result.Buffer;
            var reader = new SequenceReader<byte>(buffer);
            var found = reader.TryReadTo(out ReadOnlySequence<byte> before, nonce, advancePastDelimiter: false);
            if (found && before.Length >= GuestProtocol.HeaderBytes)
            {
                // The frame begins with its header, just before the nonce.
                _reader.AdvanceTo(buffer.GetPosition(before.Length - GuestProtocol.HeaderBytes));
                return;
            }

            if (result.IsCompleted) throw new IOException("The guest ended the connection instead of answering.");
            var keep = Math.Min(buffer.Length, nonce.Length + GuestProtocol.HeaderBytes - 1);
            _reader.AdvanceTo(buffer.GetPosition(buffer.Length - keep), buffer.End);
        }
    }

    /// <summary>Sends a request and waits for its reply.</summary>
    /// <param name="type">The request.</param>
    /// <param name="payload">What follows its number.</param>
    /// <param name="deadline">How long to wait; <see langword="null"/>: 30 s.</param>
    /// <param name="cancellationToken">Cancels the waiting.</param>
    /// <exception cref="IOException">The connection was lost.</exception>
    /// <exception cref="TimeoutException">The guest did not answer in time.</exception>
    public async Task<ReplyMessage> RequestAsync(FrameType type, ReadOnlyMemory<byte> payload, TimeSpan? deadline, CancellationToken cancellationToken)
    {
        var id = Interlocked.Increment(ref _lastRequest);
        return await RequestAsync(type, id, new PayloadWriter().UInt32(id).Raw(payload.Span).Payload, deadline, cancellationToken);
    }

    /// <summary>Opens a channel for a command or a collection: sends the request that it belongs to and waits for its reply.</summary>
    /// <param name="type">The request.</param>
    /// <param name="encode">Makes its payload from the request's and the channel's number.</param>
    /// <param name="cancellationToken">Cancels the waiting.</param>
    public async Task<(GuestSession Session, ReplyMessage Reply)> OpenAsync(
        FrameType type, Func<uint, uint, ReadOnlyMemory<byte>> encode, CancellationToken cancellationToken)
    {
        if (_sessions.Count >= MaxSessions) throw new IOException($"{MaxSessions} commands run inside already.");
        var session = new GuestSession(Interlocked.Increment(ref _lastChannel), 0, 0, AcknowledgeAsync);
        _sessions[session.Id] = session;
        try
        {
            var id = Interlocked.Increment(ref _lastRequest);
            return (session, await RequestAsync(type, id, encode(id, session.Id), null, cancellationToken));
        }
        catch
        {
            await CloseAsync(session);
            throw;
        }
    }

    private async Task<ReplyMessage> RequestAsync(FrameType type, uint id, ReadOnlyMemory<byte> payload, TimeSpan? deadline, CancellationToken cancellationToken)
    {
        var reply = new TaskCompletionSource<ReplyMessage>(TaskCreationOptions.RunContinuationsAsynchronously);
        _replies[id] = reply;
        try
        {
            if (_error is { } error) throw new IOException(error.Message, error);
            await SendAsync(type, payload, cancellationToken);
            return await reply.Task.WaitAsync(deadline ?? ReplyDeadline, _time, cancellationToken);
        }
        finally
        {
            _replies.TryRemove(id, out _);
        }
    }

    /// <summary>Sends one frame.</summary>
    public async ValueTask SendAsync(FrameType type, ReadOnlyMemory<byte> payload, CancellationToken cancellationToken)
    {
        var length = GuestProtocol.HeaderBytes + payload.Length;
        var frame = ArrayPool<byte>.Shared.Rent(length);
        // A frame is sent whole or the connection ends: its second half would be read as a frame of its own.
        await _sending.WaitAsync(cancellationToken);
        try
        {
            FrameParser.WriteHeader(frame, type, payload.Length);
            payload.CopyTo(frame.AsMemory(GuestProtocol.HeaderBytes));
            await _stream.WriteAsync(frame.AsMemory(0, length), _closing.Token);
        }
        catch (Exception e) when (e is ObjectDisposedException or OperationCanceledException)
        {
            throw new IOException("The connection to the guest is closed.", e);
        }
        finally
        {
            _sending.Release();
            ArrayPool<byte>.Shared.Return(frame);
        }
    }

    /// <summary>Forgets a channel; a command that still runs in it is killed.</summary>
    public async ValueTask CloseAsync(GuestSession session)
    {
        if (!_sessions.TryRemove(session.Id, out _)) return;
        session.Fail(new IOException("The channel was closed."));
        if (_error is not null || _closing.IsCancellationRequested) return;
        try
        {
            await SendAsync(FrameType.Close, new PayloadWriter().UInt32(session.Id).Payload, CancellationToken.None);
        }
        catch (IOException)
        {
            // The connection is lost, and with it the channel.
        }
    }

    private ValueTask AcknowledgeAsync(GuestStream stream, long offset, CancellationToken cancellationToken) =>
        _error is not null || stream.Channel != GuestProtocol.JobChannel && !_sessions.ContainsKey(stream.Channel)
            ? ValueTask.CompletedTask
            : SendAsync(FrameType.Acknowledge, new PayloadWriter().UInt32(stream.Channel).Byte((byte)stream.Kind).Int64(offset).Payload, cancellationToken);

    public async ValueTask DisposeAsync()
    {
        if (_closing.IsCancellationRequested) return;
        await _closing.CancelAsync();
        await _stream.DisposeAsync();
        await _reading;
        await _reader.CompleteAsync();
    }
}
