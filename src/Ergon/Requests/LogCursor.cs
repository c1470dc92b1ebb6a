namespace Ergon;

/// <summary>
/// A place in a log, for going on where an earlier stream broke off: <paramref name="Offset"/> bytes into the piece of number
/// <paramref name="Position"/>.
/// </summary>
/// <param name="Position">The number of a piece, as <see cref="LogEntry.Position"/> gives it.</param>
/// <param name="Offset">How many bytes of the piece are known already.</param>
public readonly record struct LogCursor(long Position, long Offset)
{
    /// <summary>The place after an entry that began here.</summary>
    public LogCursor After(LogEntry entry) => entry.Position == Position
        ? this with { Offset = Offset + entry.Data.Length }
        : new LogCursor(entry.Position, entry.Data.Length);
}
