using Ergon.Drivers;
using Microsoft.Win32.SafeHandles;

namespace Ergon.Logs;

/// <summary>
/// The output of one execution on disk: <c>stdout</c> and <c>stderr</c> byte for byte, and <c>index</c> that gives their order and
/// times. One writer; readers are woken by it.
/// </summary>
internal sealed class OutputLog : IOutputSink, IDisposable
{
    private const int MaxRecordLength = 1 << 20;
    private const string StdoutName = "stdout";
    private const string StderrName = "stderr";
    private const string IndexName = "index";
    private const string DroppedName = "dropped";

    private readonly Lock _lock = new();
    private readonly long _maxBytesPerStream;
    private readonly TimeProvider _time;
    private readonly Action<int> _onBytes;
    private readonly SafeFileHandle?[] _data = new SafeFileHandle?[3];
    private readonly DroppedOutput _dropped;
    private SafeFileHandle? _index;
    private LogPosition _position;
    private TaskCompletionSource? _changed;
    private bool _completed;

    private OutputLog(string directory, long maxBytesPerStream, TimeProvider time, Action<int>? onBytes)
    {
        Directory = directory;
        _maxBytesPerStream = maxBytesPerStream;
        _time = time;
        _onBytes = onBytes ?? (static _ => { });
        _dropped = new DroppedOutput(Path.Combine(directory, DroppedName));
    }

    /// <summary>The directory that holds the files.</summary>
    public string Directory { get; }

    /// <summary>Why output had to be dropped although the limit was not reached, such as a full disk.</summary>
    public string? Failure { get; private set; }

    /// <summary>What has been written so far.</summary>
    public LogPosition Position
    {
        get { lock (_lock) return _position; }
    }

    private string IndexPath => Path.Combine(Directory, IndexName);

    /// <summary>The file of a stream; it exists once the stream has a byte.</summary>
    public string PathOf(OutputStream stream) => Path.Combine(Directory, stream == OutputStream.Stdout ? StdoutName : StderrName);

    /// <summary>Creates an empty log in an existing directory.</summary>
    public static OutputLog Create(string directory, LogLimits limits, TimeProvider time, Action<int>? onBytes = null) =>
        new(directory, limits.MaxBytesPerStream, time, onBytes);

    /// <summary>Opens the log that a former process left, putting right what a crash left half written.</summary>
    public static OutputLog Open(string directory, LogLimits limits, TimeProvider time, Action<int>? onBytes = null)
    {
        var log = new OutputLog(directory, limits.MaxBytesPerStream, time, onBytes);
        log._position = LogRecovery.Recover(log.IndexPath, log.PathOf(OutputStream.Stdout), log.PathOf(OutputStream.Stderr));
        log._dropped.Load();
        return log;
    }

    /// <summary>Deletes the files of a log; what else is in its directory stays.</summary>
    public static void Delete(string directory)
    {
        if (!System.IO.Directory.Exists(directory)) return;
        foreach (var name in (ReadOnlySpan<string>)[StdoutName, StderrName, IndexName, DroppedName]) File.Delete(Path.Combine(directory, name));
    }

    /// <inheritdoc/>
    public long GetPosition(OutputStream stream)
    {
        lock (_lock) return Taken(stream);
    }

    /// <inheritdoc/>
    public byte[] ReadEnd(int maxBytes) => LogEnd.Read(this, IndexPath, Position, maxBytes);

    /// <inheritdoc/>
    public int Append(OutputStream stream, OutputSource source)
    {
        TaskCompletionSource? changed = null;
        int count;
        lock (_lock)
        {
            count = TryKeep(stream, source);
            if (count > 0) (changed, _changed) = (_changed, null);
            if (count < 0 && (count = source(null, 0, MaxRecordLength)) > 0 && !_completed) _dropped.Add(stream, count);
        }

        changed?.TrySetResult();
        _onBytes(count);
        return count;
    }

    /// <inheritdoc/>
    public ValueTask WriteAsync(OutputStream stream, ReadOnlyMemory<byte> data, CancellationToken cancellationToken)
    {
        cancellationToken.ThrowIfCancellationRequested();
        var bytes = data.Span;
        while (!bytes.IsEmpty)
        {
            var piece = bytes[..Math.Min(bytes.Length, MaxRecordLength)];
            Append(stream, piece);
            bytes = bytes[piece.Length..];
        }

        _onBytes(data.Length);
        return ValueTask.CompletedTask;
    }

    /// <summary>Ends the log: readers that follow it end after the last byte.</summary>
    public void Complete()
    {
        TaskCompletionSource? changed;
        lock (_lock)
        {
            _completed = true;
            (changed, _changed) = (_changed, null);
            Close(ref _index);
            Close(ref _data[(int)OutputStream.Stdout]);
            Close(ref _data[(int)OutputStream.Stderr]);
            _dropped.Dispose();
        }

        changed?.TrySetResult();
    }

    /// <inheritdoc/>
    public void Dispose() => Complete();

    /// <summary>The first bytes of a stream, and how many the job wrote in all.</summary>
    public CapturedOutput ReadHead(OutputStream stream, int maxBytes)
    {
        long kept;
        long taken;
        lock (_lock) (kept, taken) = (_position.BytesOf(stream), Taken(stream));
        var head = new byte[Math.Min(kept, maxBytes)];
        if (head.Length > 0)
        {
            using var file = OpenForReading(PathOf(stream));
            var read = 0;
            while (read < head.Length && RandomAccess.Read(file, head.AsSpan(read), read) is > 0 and var n) read += n;
        }

        return new CapturedOutput { Bytes = head, TotalBytes = taken };
    }

    /// <summary>Opens a reader at a position that the log has or had.</summary>
    public LogReader OpenReader(LogPosition start) => new(this, IndexPath, start);

    /// <summary>Opens a reader that goes on where another one ended.</summary>
    public LogReader OpenReader(LogCursor cursor)
    {
        var start = LogReader.Find(this, IndexPath, cursor.Position);
        return new LogReader(this, IndexPath, start, start.Records == cursor.Position ? cursor.Offset : 0);
    }

    /// <summary>Completes once there is more than the reader has seen, or the log is complete.</summary>
    /// <returns>The new end; <see langword="null"/> when there is nothing more and never will be.</returns>
    internal async ValueTask<LogPosition?> WaitForMoreAsync(long records, CancellationToken cancellationToken)
    {
        while (true)
        {
            Task changed;
            lock (_lock)
            {
                if (_position.Records > records) return _position;
                if (_completed) return null;
                _changed ??= new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
                changed = _changed.Task;
            }

            await changed.WaitAsync(cancellationToken);
        }
    }

    internal static SafeFileHandle OpenForReading(string path) =>
        File.OpenHandle(path, FileMode.Open, FileAccess.Read, FileShare.ReadWrite | FileShare.Delete);

    private long Taken(OutputStream stream) => _position.BytesOf(stream) + _dropped[stream];

    private void Append(OutputStream stream, ReadOnlySpan<byte> piece)
    {
        TaskCompletionSource? changed = null;
        lock (_lock)
        {
            if (_completed) return;
            var kept = Failure is null ? (int)Math.Min(piece.Length, Room(stream)) : 0;
            try
            {
                if (kept > 0)
                {
                    Store(new LogIndexRecord(stream, kept, _time.GetUtcNow()), piece[..kept], _position.BytesOf(stream));
                    (changed, _changed) = (_changed, null);
                }
            }
            catch (IOException e)
            {
                Fail(e);
                kept = 0;
            }

            if (kept < piece.Length) _dropped.Add(stream, piece.Length - kept);
        }

        changed?.TrySetResult();
    }

    // Returns -1 when there is no room for output, or no more.
    private int TryKeep(OutputStream stream, OutputSource source)
    {
        if (_completed || Failure is not null || Room(stream) is not (> 0 and var room)) return -1;
        try
        {
            ref var data = ref _data[(int)stream];
            data ??= OpenForWriting(PathOf(stream));
            var count = source(data, _position.BytesOf(stream), (int)Math.Min(room, MaxRecordLength));
            if (count > 0) Record(new LogIndexRecord(stream, count, _time.GetUtcNow()));
            return count;
        }
        catch (IOException e)
        {
            Fail(e);
            return -1;
        }
    }

    private long Room(OutputStream stream) => Math.Max(0, _maxBytesPerStream - _position.BytesOf(stream));

    // The job must not hang because our disk is full: its output is read on and dropped, and the result says so.
    private void Fail(IOException e) =>
        Failure = $"Output was lost after {_position.StdoutBytes} bytes of stdout and {_position.StderrBytes} bytes of stderr: {e.Message}";

    // The bytes go first: a record never speaks of bytes that are not there.
    private void Store(LogIndexRecord record, ReadOnlySpan<byte> piece, long offset)
    {
        ref var data = ref _data[(int)record.Stream];
        data ??= OpenForWriting(PathOf(record.Stream));
        RandomAccess.Write(data, piece, offset);
        Record(record);
    }

    private void Record(LogIndexRecord record)
    {
        _index ??= OpenForWriting(IndexPath);
        Span<byte> encoded = stackalloc byte[LogIndexRecord.Size];
        record.Write(encoded);
        RandomAccess.Write(_index, encoded, _position.Records * LogIndexRecord.Size);
        _position = _position.After(record);
    }

    private static SafeFileHandle OpenForWriting(string path) =>
        File.OpenHandle(path, FileMode.OpenOrCreate, FileAccess.Write, FileShare.ReadWrite | FileShare.Delete);

    private static void Close(ref SafeFileHandle? handle)
    {
        handle?.Dispose();
        handle = null;
    }
}
