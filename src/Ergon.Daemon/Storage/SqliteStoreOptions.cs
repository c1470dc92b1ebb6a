namespace Ergon.Daemon.Storage;

/// <summary>The settings of a database of executions.</summary>
public sealed record SqliteStoreOptions
{
    /// <summary>The database file; made if it is missing, for its owner only. Its directory must exist.</summary>
    public required string Path { get; init; }

    /// <summary>
    /// The file of the key with which requests are encrypted, since they have secrets in them; made if the database is new. Keep it apart from
    /// copies of the database, and never lose it. <see langword="null"/>: they are not encrypted.
    /// </summary>
    public string? KeyFile { get; init; }

    /// <summary>
    /// Whether a damaged database is set aside and an empty one begun, which forgets every execution. Without it, a damaged database is
    /// an error that says what to do.
    /// </summary>
    public bool SetAsideDamaged { get; init; }

    /// <summary>
    /// Whether a change is on the disk itself before it is told. Without it, what is told survives the end of the process in any way, but
    /// not always that of the machine.
    /// </summary>
    public bool SurvivePowerLoss { get; init; }

    /// <summary>How many events are kept of each executor, at least.</summary>
    public int MaxEvents { get; init; } = 100_000;
}
