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

    private readonly Lock _lock = new();
    private readonly long _maxBytesPerStream;
    private readonly TimeProvider _time;
    private readonly Action<int> _onBytes;
    private readonly SafeFileHandle?[] _data = new SafeFileHandle?[3];
    private readonly long[] _taken = new long[3];
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

    private string IndexPath => Path.Combine(Directory, "index");

    /// <summary>The file of a stream; it exists once the stream has a byte.</summary>
    public string PathOf(OutputStream stream) => Path.Combine(Directory, stream == OutputStream.Stdout ? "stdout" : "stderr");

    /// <summary>Creates an empty log in an existing directory.</summary>
    public static OutputLog Create(string directory, LogLimits limits, TimeProvider time, Action<int>? onBytes = null) =>
        new(directory, limits.MaxBytesPerStream, time, onBytes);

    /// <summary>Opens the log that a former process left, cutting off what a crash left half written.</summary>
    public static OutputLog Open(string directory, LogLimits limits, TimeProvider time, Action<int>? onBytes = null)
    {
        var log = new OutputLog(directory, limits.MaxBytesPerStream, time, onBytes);
        log._position = LogRecovery.CutTornTail(log.IndexPath, log.PathOf(OutputStream.Stdout), log.PathOf(OutputStream.Stderr));
        log._taken[(int)OutputStream.Stdout] = log._position.StdoutBytes;
        log._taken[(int)OutputStream.Stderr] = log._position.StderrBytes;
        return log;
    }

    /// <inheritdoc/>
    public long GetPosition(OutputStream stream)
    {
        lock (_lock) return _taken[(int)stream];
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
        lock (_lock) (kept, taken) = (_position.BytesOf(stream), _taken[(int)stream]);
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

    private void Append(OutputStream stream, ReadOnlySpan<byte> piece)
    {
        TaskCompletionSource? changed = null;
        lock (_lock)
        {
            if (_completed) return;
            _taken[(int)stream] += piece.Length;
            var kept = _position.BytesOf(stream);
            piece = piece[..(int)Math.Min(piece.Length, Math.Max(0, _maxBytesPerStream - kept))];
            if (piece.IsEmpty || Failure is not null) return;
            try
            {
                Store(new LogIndexRecord(stream, piece.Length, _time.GetUtcNow()), piece, kept);
                (changed, _changed) = (_changed, null);
            }
            catch (IOException e)
            {
                // The job must not hang because our disk is full: its output is read on and dropped, and the result says so.
                Failure = $"Output was lost after {_position.StdoutBytes} bytes of stdout and {_position.StderrBytes} bytes of stderr: {e.Message}";
            }
        }

        changed?.TrySetResult();
    }

    // The bytes go first: a record never speaks of bytes that are not there.
    private void Store(LogIndexRecord record, ReadOnlySpan<byte> piece, long offset)
    {
        ref var data = ref _data[(int)record.Stream];
        data ??= OpenForWriting(PathOf(record.Stream));
        _index ??= OpenForWriting(IndexPath);
        RandomAccess.Write(data, piece, offset);
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
