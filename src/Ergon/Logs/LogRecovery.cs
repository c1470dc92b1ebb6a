namespace Ergon.Logs;

/// <summary>Makes the files of a log consistent after a crash.</summary>
internal static class LogRecovery
{
    private const int MaxRecordLength = 1 << 20;

    /// <summary>
    /// Keeps every byte of output, since its source may not be able to send it again. Of the index the longest prefix is kept whose records
    /// are whole and whose bytes are there; records for the bytes behind it are added.
    /// </summary>
    public static LogPosition Recover(string indexPath, string stdoutPath, string stderrPath)
    {
        var (position, last) = ReadIndex(indexPath, LengthOf(stdoutPath), LengthOf(stderrPath));
        Cut(indexPath, position.Records * LogIndexRecord.Size);
        position = Cover(position, OutputStream.Stdout, stdoutPath, indexPath, ref last);
        return Cover(position, OutputStream.Stderr, stderrPath, indexPath, ref last);
    }

    private static (LogPosition End, DateTimeOffset Last) ReadIndex(string indexPath, long stdoutLength, long stderrLength)
    {
        var position = default(LogPosition);
        var last = DateTimeOffset.MinValue;
        if (!File.Exists(indexPath)) return (position, last);
        using var index = File.OpenRead(indexPath);
        var encoded = new byte[LogIndexRecord.Size];
        while (index.ReadAtLeast(encoded, encoded.Length, throwOnEndOfStream: false) == encoded.Length
            && LogIndexRecord.TryRead(encoded, out var record))
        {
            var next = position.After(record);
            if (next.StdoutBytes > stdoutLength || next.StderrBytes > stderrLength) break;
            (position, last) = (next, record.Timestamp);
        }

        return (position, last);
    }

    // When the bytes came is not known; when the last of them did, is: to the tick of the file system, which lags behind the clock that the
    // records before have their times from, and time does not run backwards in a log.
    private static LogPosition Cover(LogPosition position, OutputStream stream, string path, string indexPath, ref DateTimeOffset last)
    {
        var length = LengthOf(path);
        if (position.BytesOf(stream) >= length) return position;
        if (new DateTimeOffset(File.GetLastWriteTimeUtc(path)) is var written && written > last) last = written;
        using var index = File.OpenHandle(indexPath, FileMode.OpenOrCreate, FileAccess.Write, FileShare.ReadWrite | FileShare.Delete);
        Span<byte> encoded = stackalloc byte[LogIndexRecord.Size];
        while (length - position.BytesOf(stream) is > 0 and var rest)
        {
            var record = new LogIndexRecord(stream, (int)Math.Min(rest, MaxRecordLength), last);
            record.Write(encoded);
            RandomAccess.Write(index, encoded, position.Records * LogIndexRecord.Size);
            position = position.After(record);
        }

        return position;
    }

    private static long LengthOf(string path) => File.Exists(path) ? new FileInfo(path).Length : 0;

    private static void Cut(string path, long length)
    {
        if (LengthOf(path) <= length) return;
        using var file = new FileStream(path, FileMode.Open, FileAccess.Write, FileShare.ReadWrite | FileShare.Delete);
        file.SetLength(length);
    }
}
