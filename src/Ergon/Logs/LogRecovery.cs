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
        var position = ReadIndex(indexPath, LengthOf(stdoutPath), LengthOf(stderrPath));
        Cut(indexPath, position.Records * LogIndexRecord.Size);
        position = Cover(position, OutputStream.Stdout, stdoutPath, indexPath);
        return Cover(position, OutputStream.Stderr, stderrPath, indexPath);
    }

    private static LogPosition ReadIndex(string indexPath, long stdoutLength, long stderrLength)
    {
        var position = default(LogPosition);
        if (!File.Exists(indexPath)) return position;
        using var index = File.OpenRead(indexPath);
        var encoded = new byte[LogIndexRecord.Size];
        while (index.ReadAtLeast(encoded, encoded.Length, throwOnEndOfStream: false) == encoded.Length
            && LogIndexRecord.TryRead(encoded, out var record))
        {
            var next = position.After(record);
            if (next.StdoutBytes > stdoutLength || next.StderrBytes > stderrLength) break;
            position = next;
        }

        return position;
    }

    // When the bytes came is not known; when the last of them did, is.
    private static LogPosition Cover(LogPosition position, OutputStream stream, string path, string indexPath)
    {
        var length = LengthOf(path);
        if (position.BytesOf(stream) >= length) return position;
        var written = new DateTimeOffset(File.GetLastWriteTimeUtc(path));
        using var index = File.OpenHandle(indexPath, FileMode.OpenOrCreate, FileAccess.Write, FileShare.ReadWrite | FileShare.Delete);
        Span<byte> encoded = stackalloc byte[LogIndexRecord.Size];
        while (length - position.BytesOf(stream) is > 0 and var rest)
        {
            var record = new LogIndexRecord(stream, (int)Math.Min(rest, MaxRecordLength), written);
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
