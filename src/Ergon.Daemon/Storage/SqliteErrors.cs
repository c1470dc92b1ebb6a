using Microsoft.Data.Sqlite;

namespace Ergon.Daemon.Storage;

/// <summary>What goes wrong with a database, in words that say what to do.</summary>
internal static class SqliteErrors
{
    private const int Busy = 5;
    private const int Locked = 6;
    private const int ReadOnly = 8;
    private const int InputOutput = 10;
    private const int Corrupt = 11;
    private const int Full = 13;
    private const int CannotOpen = 14;
    private const int NotADatabase = 26;

    public static bool IsDamage(SqliteException e) => e.SqliteErrorCode is Corrupt or NotADatabase;

    /// <summary>Whether trying the parts of a batch one by one can bring nothing but another wait.</summary>
    public static bool IsWaiting(SqliteException e) => e.SqliteErrorCode is Busy or Locked;

    public static ExecutorException Failed(string what, string path, SqliteException e, ExecutionId? id = null) => new(
        ErrorCode.StorageFailed, $"The database {path} could not {what}: {e.Message.TrimEnd('.')}. {Remedy(e)}", id, e);

    public static ExecutorException Damaged(string path, string how, Exception? cause = null) => new(
        ErrorCode.StorageFailed,
        $"The database {path} is damaged: {how.TrimEnd('.')}. Restore a copy of it together with its -wal file, or let it be set aside: an empty one is begun, and every execution is forgotten.",
        innerException: cause);

    public static object? Scalar(SqliteConnection connection, string sql)
    {
        using var command = connection.CreateCommand();
        command.CommandText = sql;
        return command.ExecuteScalar();
    }

    private static string Remedy(SqliteException e) => e.SqliteErrorCode switch
    {
        Full => "Free space on its disk.",
        Busy or Locked => "Another program holds it; end that program.",
        ReadOnly or CannotOpen => "Make it and its directory writable.",
        InputOutput => "Look at its disk: free space on it, or repair it.",
        Corrupt or NotADatabase => "It is damaged: restore a copy, or let it be set aside at the next start.",
        _ => "Look at its disk and at the other programs that use it.",
    };
}
