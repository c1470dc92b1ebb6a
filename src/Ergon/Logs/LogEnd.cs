namespace Ergon.Logs;

/// <summary>Reads the end of a log, both streams in their order.</summary>
internal static class LogEnd
{
    public static byte[] Read(OutputLog log, string indexPath, LogPosition end, int maxBytes)
    {
        var pieces = new Stack<byte[]>();
        var left = maxBytes;
        if (end.Records == 0) return [];
        using var index = OutputLog.OpenForReading(indexPath);
        var (stdout, stderr) = (end.StdoutBytes, end.StderrBytes);
        Span<byte> encoded = stackalloc byte[LogIndexRecord.Size];
        for (var i = end.Records - 1; i >= 0 && left > 0; i--)
        {
            RandomAccess.Read(index, encoded, i * LogIndexRecord.Size);
            if (!LogIndexRecord.TryRead(encoded, out var record)) break;
            ref var offset = ref record.Stream == OutputStream.Stdout ? ref stdout : ref stderr;
            var length = Math.Min(record.Length, left);
            pieces.Push(ReadPiece(log.PathOf(record.Stream), offset - length, length));
            offset -= record.Length;
            left -= length;
        }

        return [.. pieces.SelectMany(piece => piece)];
    }

    private static byte[] ReadPiece(string path, long offset, int length)
    {
        using var file = OutputLog.OpenForReading(path);
        var piece = new byte[length];
        var read = 0;
        while (read < length && RandomAccess.Read(file, piece.AsSpan(read), offset + read) is > 0 and var count) read += count;
        return piece[..read];
    }
}
