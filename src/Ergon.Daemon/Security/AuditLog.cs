using System.Buffers;
using System.Text.Json;
using System.Threading.Channels;

namespace Ergon.Daemon.Security;

/// <summary>
/// Who did what, when, to which execution, and how it went: one JSON object a line. Requests themselves are not in it, since they hold
/// secrets.
/// </summary>
internal sealed class AuditLog : IAsyncDisposable
{
    private const int Waiting = 4096;
    private const long MaxBytes = 64L << 20;

    private readonly Channel<Entry> _entries = Channel.CreateBounded<Entry>(new BoundedChannelOptions(Waiting) { SingleReader = true });
    private readonly TimeProvider _time;
    private readonly string _path;
    private readonly Task _writing;
    private FileStream _file;

    /// <summary>Opens the log, making it with mode 0600.</summary>
    /// <exception cref="IOException">It cannot be written.</exception>
    public AuditLog(string path, TimeProvider time)
    {
        (_path, _time) = (path, time);
        _file = Open(path);
        _writing = Task.Run(WriteAsync);
    }

    /// <summary>Takes down what was done, or refused.</summary>
    public ValueTask RecordAsync(Caller caller, string action, string? target, string outcome)
    {
        var entry = new Entry(_time.GetUtcNow(), caller.Name, action, target, outcome);
        return _entries.Writer.TryWrite(entry) ? ValueTask.CompletedTask : _entries.Writer.WriteAsync(entry);
    }

    public async ValueTask DisposeAsync()
    {
        _entries.Writer.TryComplete();
        await _writing;
        await _file.DisposeAsync();
    }

    private async Task WriteAsync()
    {
        var buffer = new ArrayBufferWriter<byte>();
        while (await _entries.Reader.WaitToReadAsync())
        {
            while (_entries.Reader.TryRead(out var entry)) Format(buffer, entry);
            try
            {
                await _file.WriteAsync(buffer.WrittenMemory);
                await _file.FlushAsync();
                if (_file.Length > MaxBytes) await RotateAsync();
            }
            catch (IOException)
            {
                // A full disk must not stop executions; what is done then is still in the daemon's own log.
            }

            buffer.ResetWrittenCount();
        }
    }

    private async Task RotateAsync()
    {
        await _file.DisposeAsync();
        File.Move(_path, _path + ".1", overwrite: true);
        _file = Open(_path);
    }

    private static void Format(ArrayBufferWriter<byte> buffer, Entry entry)
    {
        using (var json = new Utf8JsonWriter(buffer))
        {
            json.WriteStartObject();
            json.WriteString("time", entry.Time);
            json.WriteString("caller", entry.Caller);
            json.WriteString("action", entry.Action);
            if (entry.Target is not null) json.WriteString("target", entry.Target);
            json.WriteString("outcome", entry.Outcome);
            json.WriteEndObject();
        }

        buffer.Write("\n"u8);
    }

    private static FileStream Open(string path)
    {
        var options = new FileStreamOptions { Mode = FileMode.Append, Access = FileAccess.Write, Share = FileShare.ReadWrite | FileShare.Delete, BufferSize = 0 };
        if (!OperatingSystem.IsWindows()) options.UnixCreateMode = UnixFileMode.UserRead | UnixFileMode.UserWrite;
        return new FileStream(path, options);
    }

    private sealed record Entry(DateTimeOffset Time, string Caller, string Action, string? Target, string Outcome);
}
