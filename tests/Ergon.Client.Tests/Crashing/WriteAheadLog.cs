using System.Buffers.Binary;

namespace Ergon.Client.Tests.Crashing;

/// <summary>The write-ahead log of a database, as its file format is documented.</summary>
internal static class WriteAheadLog
{
    private const int HeaderBytes = 32;
    private const int FrameHeaderBytes = 24;
    private const int PageSizeOffset = 8;
    private const int CommitOffset = 4;

    /// <summary>Where those frames begin that commit a transaction, in the order in which they were written.</summary>
    public static async Task<IReadOnlyList<long>> ReadCommitsAsync(string path, CancellationToken cancellationToken)
    {
        await using var file = new FileStream(path, FileMode.Open, FileAccess.Read, FileShare.ReadWrite);
        var log = new byte[file.Length];
        await file.ReadExactlyAsync(log, cancellationToken);
        var frameBytes = FrameHeaderBytes + BinaryPrimitives.ReadInt32BigEndian(log.AsSpan(PageSizeOffset));
        List<long> commits = [];
        for (var frame = HeaderBytes; frame + frameBytes <= log.Length; frame += frameBytes)
            if (BinaryPrimitives.ReadInt32BigEndian(log.AsSpan(frame + CommitOffset)) != 0) commits.Add(frame);
        return commits;
    }
}
