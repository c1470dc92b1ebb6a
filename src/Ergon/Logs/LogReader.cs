using System.Runtime.CompilerServices;
using Microsoft.Win32.SafeHandles;

namespace Ergon.Logs;

/// <summary>Reads a log from a position on, optionally following its writer.</summary>
internal sealed class LogReader(OutputLog log, string indexPath, LogPosition start, long skip = 0)
{
    private const int RecordsPerRead = 256;
    private const int MaxEntryBytes = 64 * 1024;

    /// <summary>Yields what is there, and with <paramref name="follow"/> what comes, until the log is complete.</summary>
    public async IAsyncEnumerable<LogEntry> ReadAsync(bool follow, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        var position = start;
        var rest = skip;
        var end = log.Position;
        using var files = new OpenFiles(log, indexPath);
        var block = new byte[RecordsPerRead * LogIndexRecord.Size];
        while (true)
        {
            while (position.Records < end.Records)
            {
                cancellationToken.ThrowIfCancellationRequested();
                var count = (int)Math.Min(RecordsPerRead, end.Records - position.Records);
                files.ReadIndex(block.AsSpan(0, count * LogIndexRecord.Size), position.Records * LogIndexRecord.Size);
                for (var i = 0; i < count; i++)
                {
                    var record = Decode(block, i, position);
                    var offset = position.BytesOf(record.Stream);
                    for (var done = (int)Math.Min(rest, record.Length); done < record.Length; done += MaxEntryBytes)
                    {
                        var data = files.ReadData(record.Stream, offset + done, Math.Min(MaxEntryBytes, record.Length - done));
                        yield return new LogEntry(record.Stream, record.Timestamp, data, position.Records);
                    }

                    position = position.After(record);
                    rest = 0;
                }
            }

            if (!follow || await log.WaitForMoreAsync(position.Records, cancellationToken) is not { } more) yield break;
            end = more;
        }
    }

    /// <summary>Finds where the piece of a number begins; the end, if there is none yet.</summary>
    public static LogPosition Find(OutputLog log, string indexPath, long piece)
    {
        var end = log.Position;
        if (piece >= end.Records) return end;
        using var files = new OpenFiles(log, indexPath);
        var block = new byte[RecordsPerRead * LogIndexRecord.Size];
        var reader = new LogReader(log, indexPath, default);
        LogPosition position = default;
        while (position.Records < piece)
        {
            var count = (int)Math.Min(RecordsPerRead, piece - position.Records);
            files.ReadIndex(block.AsSpan(0, count * LogIndexRecord.Size), position.Records * LogIndexRecord.Size);
            for (var i = 0; i < count; i++) position = position.After(reader.Decode(block, i, position));
        }

        return position;
    }

    private LogIndexRecord Decode(byte[] block, int i, LogPosition position) =>
        LogIndexRecord.TryRead(block.AsSpan(i * LogIndexRecord.Size, LogIndexRecord.Size), out var record)
            ? record
            : throw new ExecutorException(
                ErrorCode.StorageFailed,
                $"Record {position.Records} of the log index {indexPath} is damaged; the plain output is in {log.Directory}.");

    // Opened when first needed: a stream without output has no file.
    private sealed class OpenFiles(OutputLog log, string indexPath) : IDisposable
    {
        private readonly SafeFileHandle?[] _data = new SafeFileHandle?[3];
        private SafeFileHandle? _index;

        public void ReadIndex(Span<byte> block, long offset) => Fill(_index ??= Open(indexPath), block, offset);

        public byte[] ReadData(OutputStream stream, long offset, int length)
        {
            var data = GC.AllocateUninitializedArray<byte>(length);
            Fill(_data[(int)stream] ??= Open(log.PathOf(stream)), data, offset);
            return data;
        }

        public void Dispose()
        {
            _index?.Dispose();
            foreach (var file in _data) file?.Dispose();
        }

        // A follower may be left behind when the retention ends or the execution is removed.
        private SafeFileHandle Open(string path)
        {
            try
            {
                return OutputLog.OpenForReading(path);
            }
            catch (Exception e) when (e is FileNotFoundException or DirectoryNotFoundException)
            {
                throw new ExecutorException(ErrorCode.ExecutionAlreadyConcluded, $"The log in {log.Directory} is no longer retained.", innerException: e);
            }
        }

        private static void Fill(SafeFileHandle file, Span<byte> destination, long offset)
        {
            while (!destination.IsEmpty)
            {
                var read = RandomAccess.Read(file, destination, offset);
                if (read == 0)
                {
                    throw new ExecutorException(
                        ErrorCode.StorageFailed, "A log file is shorter than its index says: another program changed it.");
                }

                destination = destination[read..];
                offset += read;
            }
        }
    }
}
