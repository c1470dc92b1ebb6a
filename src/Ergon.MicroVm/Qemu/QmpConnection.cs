using System.Buffers;
using System.Collections.Concurrent;
using System.IO.Pipelines;
using System.Net.Sockets;
using System.Text.Json;
using Ergon.Linux;
using Microsoft.Win32.SafeHandles;

namespace Ergon.MicroVm.Qemu;

/// <summary>A connection to QEMU's monitor (QMP): one JSON object a line, commands answered by their number.</summary>
internal sealed class QmpConnection : IAsyncDisposable
{
    // A guest cannot write here, but QEMU itself may be taken over by one.
    private const int MaxLineBytes = 1024 * 1024;

    private static readonly TimeSpan ReplyDeadline = TimeSpan.FromSeconds(20);

    private readonly NetworkStream _stream;
    private readonly PipeReader _reader;
    private readonly TimeProvider _time;
    private readonly SemaphoreSlim _sending = new(1);
    private readonly ConcurrentDictionary<int, TaskCompletionSource<JsonElement>> _replies = new();
    private readonly ConcurrentDictionary<QmpEvents, string> _watched = new();
    private readonly CancellationTokenSource _closing = new();
    private Task _reading = Task.CompletedTask;
    private volatile Exception? _error;
    private int _lastId;

    private QmpConnection(NetworkStream stream, TimeProvider time) => (_stream, _reader, _time) = (stream, PipeReader.Create(stream), time);

    /// <summary>Takes over a stream to the monitor and leaves its negotiation mode.</summary>
    public static async Task<QmpConnection> ConnectAsync(NetworkStream stream, TimeProvider time, CancellationToken cancellationToken)
    {
        var connection = new QmpConnection(stream, time);
        try
        {
            using var greeting = await connection.ReadLineAsync(cancellationToken) ?? throw new IOException("QEMU closed its monitor.");
            if (greeting.RootElement.ValueKind != JsonValueKind.Object || !greeting.RootElement.TryGetProperty("QMP", out _)) throw new IOException("What answers is not QEMU's monitor.");
            connection._reading = connection.ReadAsync();
            await connection.ExecuteAsync("qmp_capabilities", cancellationToken);
            return connection;
        }
        catch
        {
            await connection.DisposeAsync();
            throw;
        }
    }

    /// <summary>Executes a command and returns what it gives.</summary>
    /// <param name="command">The command.</param>
    /// <param name="cancellationToken">Cancels the waiting.</param>
    /// <param name="writeArguments">Writes the members of its arguments.</param>
    /// <exception cref="IOException">QEMU refuses, or is gone.</exception>
    public Task<JsonElement> ExecuteAsync(string command, CancellationToken cancellationToken, Action<Utf8JsonWriter>? writeArguments = null) =>
        ExecuteAsync(command, writeArguments, async line => await _stream.WriteAsync(line, _closing.Token), cancellationToken);

    /// <summary>Executes a command that is sent together with a descriptor, as <see cref="ExecuteAsync(string, CancellationToken, Action{Utf8JsonWriter}?)"/> does.</summary>
    public Task<JsonElement> ExecuteWithDescriptorAsync(
        string command, SafeFileHandle descriptor, CancellationToken cancellationToken, Action<Utf8JsonWriter>? writeArguments = null) =>
        ExecuteAsync(command, writeArguments, line =>
        {
            UnixSocket.SendDescriptor(_stream.Socket, line.Span, descriptor);
            return ValueTask.CompletedTask;
        }, cancellationToken);

    private async Task<JsonElement> ExecuteAsync(
        string command, Action<Utf8JsonWriter>? writeArguments, Func<ReadOnlyMemory<byte>, ValueTask> sendAsync, CancellationToken cancellationToken)
    {
        var id = Interlocked.Increment(ref _lastId);
        var reply = new TaskCompletionSource<JsonElement>(TaskCreationOptions.RunContinuationsAsynchronously);
        _replies[id] = reply;
        try
        {
            if (_error is { } error) throw new IOException(error.Message, error);
            await SendAsync(Encode(command, id, writeArguments), sendAsync, cancellationToken);
            return await reply.Task.WaitAsync(ReplyDeadline, _time, cancellationToken);
        }
        catch (TimeoutException e)
        {
            throw new IOException($"QEMU did not answer '{command}' within {ReplyDeadline.TotalSeconds:0} s.", e);
        }
        finally
        {
            _replies.TryRemove(id, out _);
        }
    }

    /// <summary>Watches the events of a name from now on; whoever waits for one begins before he does what brings it about.</summary>
    public QmpEvents Watch(string name)
    {
        var events = new QmpEvents(watched => _watched.TryRemove(watched, out _));
        _watched[events] = name;
        // In this order: it ends whatever it finds.
        if (_error is { } error) events.End(error);
        return events;
    }

    private static ReadOnlyMemory<byte> Encode(string command, int id, Action<Utf8JsonWriter>? writeArguments)
    {
        var buffer = new ArrayBufferWriter<byte>();
        using (var json = new Utf8JsonWriter(buffer))
        {
            json.WriteStartObject();
            json.WriteString("execute", command);
            json.WriteNumber("id", id);
            if (writeArguments is not null)
            {
                json.WriteStartObject("arguments");
                writeArguments(json);
                json.WriteEndObject();
            }

            json.WriteEndObject();
        }

        buffer.Write("\n"u8);
        return buffer.WrittenMemory;
    }

    private async Task SendAsync(ReadOnlyMemory<byte> line, Func<ReadOnlyMemory<byte>, ValueTask> sendAsync, CancellationToken cancellationToken)
    {
        await _sending.WaitAsync(cancellationToken);
        try
        {
            await sendAsync(line);
        }
        finally
        {
            _sending.Release();
        }
    }

    private async Task ReadAsync()
    {
        Exception error;
        try
        {
            while (await ReadLineAsync(_closing.Token) is { } line)
            {
                using (line) Handle(line.RootElement);
            }

            error = new IOException("QEMU closed its monitor.");
        }
        catch (Exception e) when (e is IOException or OperationCanceledException or ObjectDisposedException)
        {
            error = e;
        }
        catch (InvalidOperationException e)
        {
            // A member is of another type than it may be.
            error = new IOException($"QEMU's monitor sends what is no message: {e.Message}", e);
        }

        _error = error;
        foreach (var events in _watched.Keys) events.End(error);
        foreach (var reply in _replies.Values) reply.TrySetException(new IOException(error.Message, error));
    }

    private void Handle(JsonElement message)
    {
        if (message.TryGetProperty("event", out var name))
        {
            foreach (var (events, watched) in _watched)
                if (name.ValueEquals(watched)) events.Add(message.TryGetProperty("data", out var data) ? data.Clone() : default);
        }

        if (!message.TryGetProperty("id", out var number) || !number.TryGetInt32(out var id) || !_replies.TryGetValue(id, out var reply)) return;
        if (message.TryGetProperty("return", out var value)) reply.TrySetResult(value.Clone());
        else if (message.TryGetProperty("error", out var error) && error.TryGetProperty("desc", out var text)) reply.TrySetException(new IOException($"QEMU refuses: {text}"));
        else reply.TrySetException(new IOException("QEMU's monitor answers with neither a value nor an error."));
    }

    private async ValueTask<JsonDocument?> ReadLineAsync(CancellationToken cancellationToken)
    {
        while (true)
        {
            var result = await _reader.ReadAsync(cancellationToken);
            var buffer = result.Buffer;
            if (buffer.PositionOf((byte)'\n') is { } end)
            {
                try
                {
                    return JsonDocument.Parse(buffer.Slice(0, end).ToArray());
                }
                catch (JsonException e)
                {
                    throw new IOException($"QEMU's monitor sends what is no JSON: {e.Message}", e);
                }
                finally
                {
                    _reader.AdvanceTo(buffer.GetPosition(1, end));
                }
            }

            if (buffer.Length > MaxLineBytes) throw new IOException("QEMU's monitor sends an endless line.");
            _reader.AdvanceTo(buffer.Start, buffer.End);
            if (result.IsCompleted) return null;
        }
    }

    public async ValueTask DisposeAsync()
    {
        if (_closing.IsCancellationRequested) return;
        await _closing.CancelAsync();
        await _stream.DisposeAsync();
        await _reading;
    }
}
