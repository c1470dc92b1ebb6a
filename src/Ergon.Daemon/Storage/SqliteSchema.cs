using System.Globalization;
using Microsoft.Data.Sqlite;

namespace Ergon.Daemon.Storage;

/// <summary>The tables, as every version made them: a database of an older version is brought forward step by step.</summary>
internal static class SqliteSchema
{
    /// <summary>What brings a database from each version to the next, beginning with an empty one.</summary>
    internal static readonly IReadOnlyList<string> Steps =
    [
        """
        CREATE TABLE executions (
            executor TEXT NOT NULL,
            id TEXT NOT NULL,
            request BLOB NOT NULL,
            info BLOB NOT NULL,
            terminal INTEGER NOT NULL,
            released INTEGER NOT NULL,
            PRIMARY KEY (executor, id));
        CREATE TABLE results (
            executor TEXT NOT NULL,
            id TEXT NOT NULL,
            result BLOB NOT NULL,
            PRIMARY KEY (executor, id));
        CREATE TABLE events (
            executor TEXT NOT NULL,
            sequence INTEGER NOT NULL,
            event BLOB NOT NULL,
            PRIMARY KEY (executor, sequence)) WITHOUT ROWID;
        """,
        """
        ALTER TABLE executions ADD COLUMN stopping TEXT;
        CREATE TABLE pruned (
            executor TEXT PRIMARY KEY,
            sequence INTEGER NOT NULL) WITHOUT ROWID;
        """,
        """
        CREATE TABLE settings (
            name TEXT PRIMARY KEY,
            value BLOB NOT NULL) WITHOUT ROWID;
        """,
        """
        ALTER TABLE executions ADD COLUMN paused INTEGER NOT NULL DEFAULT 0;
        ALTER TABLE executions ADD COLUMN paused_since INTEGER;
        """,
    ];

    public static int Version => Steps.Count;

    /// <summary>Brings the database to this version; each step whole or not at all.</summary>
    /// <exception cref="ExecutorException"><see cref="ErrorCode.StorageFailed"/> when a newer version wrote it.</exception>
    public static void Migrate(SqliteConnection connection, string path)
    {
        var version = Convert.ToInt32(SqliteErrors.Scalar(connection, "PRAGMA user_version"), CultureInfo.InvariantCulture);
        if (version > Version)
        {
            throw new ExecutorException(
                ErrorCode.StorageFailed,
                $"The database {path} has version {version}; this Ergon reads up to version {Version}. Use the newer Ergon that wrote it, or another data directory.");
        }

        for (; version < Version; version++)
        {
            using var transaction = connection.BeginTransaction();
            Execute(connection, transaction, Steps[version]);
            Execute(connection, transaction, $"PRAGMA user_version = {version + 1}");
            transaction.Commit();
        }
    }

    private static void Execute(SqliteConnection connection, SqliteTransaction transaction, string sql)
    {
        using var command = connection.CreateCommand();
        command.Transaction = transaction;
        command.CommandText = sql;
        command.ExecuteNonQuery();
    }
}
