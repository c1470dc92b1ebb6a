namespace Ergon;

/// <summary>One of the two output streams of a job.</summary>
public enum OutputStream
{
    /// <summary>Standard output.</summary>
    Stdout = 1,

    /// <summary>Standard error.</summary>
    Stderr = 2,
}

/// <summary>A piece of output, as it was read; pieces are not lines.</summary>
/// <param name="Stream">Which stream it belongs to.</param>
/// <param name="Timestamp">When the executor read it (UTC).</param>
/// <param name="Data">The bytes.</param>
/// <param name="Position">The number of the piece, from 0; a piece may be delivered in several entries of one position.</param>
public readonly record struct LogEntry(OutputStream Stream, DateTimeOffset Timestamp, ReadOnlyMemory<byte> Data, long Position);
