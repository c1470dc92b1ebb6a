namespace Ergon.Logs;

/// <summary>Makes the files of a log consistent after a crash.</summary>
internal static class LogRecovery
{
    /// <summary>
    /// Keeps the longest prefix of the index whose records are whole and whose bytes are there, and cuts all three files to it.
    /// </summary>
    public static LogPosition CutTornTail(string indexPath, string stdoutPath, string stderrPath)
    {
        var stdoutLength = LengthOf(stdoutPath);
        var stderrLength = LengthOf(stderrPath);
        var position = default(LogPosition);
        if (File.Exists(indexPath))
        {
            using var index = File.OpenRead(indexPath);
            var encoded = new byte[LogIndexRecord.Size];
            while (index.ReadAtLeast(encoded, encoded.Length, throwOnEndOfStream: false) == encoded.Length
                && LogIndexRecord.TryRead(encoded, out var record))
            {
                var next = position.After(record);
                if (next.StdoutBytes > stdoutLength || next.StderrBytes > stderrLength) break;
                position = next;
            }
        }

        Cut(indexPath, position.Records * LogIndexRecord.Size);
        Cut(stdoutPath, position.StdoutBytes);
        Cut(stderrPath, position.StderrBytes);
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
