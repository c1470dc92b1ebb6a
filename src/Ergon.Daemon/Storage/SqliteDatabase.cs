using Microsoft.Data.Sqlite;

namespace Ergon.Daemon.Storage;

/// <summary>The database file: opened, checked, and brought to this version.</summary>
internal static class SqliteDatabase
{
    private const UnixFileMode OwnerOnly = UnixFileMode.UserRead | UnixFileMode.UserWrite;

    private static readonly string[] Parts = ["", "-wal", "-shm"];

    /// <summary>Holds the database against every other process, until it is disposed.</summary>
    /// <exception cref="ExecutorException"><see cref="ErrorCode.StorageFailed"/>.</exception>
    public static FileStream Lock(string path)
    {
        try
        {
            return OpenPrivate(path + ".lock");
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new ExecutorException(
                ErrorCode.StorageFailed, $"The database {path} cannot be used: {e.Message} Make its directory writable, or stop the other process that uses it.", innerException: e);
        }
    }

    /// <summary>Opens the connection that writes.</summary>
    /// <exception cref="ExecutorException"><see cref="ErrorCode.StorageFailed"/>; see <paramref name="damaged"/>.</exception>
    public static SqliteConnection Open(SqliteStoreOptions options, out bool damaged)
    {
        damaged = false;
        var connection = new SqliteConnection(ConnectionString(options.Path, pooling: false));
        try
        {
            OpenPrivate(options.Path).Dispose();
            connection.Open();
            SqliteErrors.Scalar(connection, $"PRAGMA synchronous = {(options.SurvivePowerLoss ? "FULL" : "NORMAL")}");
            SqliteErrors.Scalar(connection, "PRAGMA journal_mode = WAL");
            var check = SqliteErrors.Scalar(connection, "PRAGMA quick_check(1)") as string;
            damaged = check != "ok";
            if (damaged) throw SqliteErrors.Damaged(options.Path, check ?? "it cannot be checked");
            SqliteSchema.Migrate(connection, options.Path);
            return connection;
        }
        catch (Exception e)
        {
            connection.Dispose();
            if (e is not SqliteException known) throw;
            damaged = SqliteErrors.IsDamage(known);
            throw damaged ? SqliteErrors.Damaged(options.Path, known.Message, known) : SqliteErrors.Failed("be opened", options.Path, known);
        }
    }

    /// <summary>Renames a damaged database; returns its new name.</summary>
    /// <exception cref="ExecutorException"><see cref="ErrorCode.StorageFailed"/>.</exception>
    public static string SetAside(string path, DateTimeOffset now)
    {
        var aside = $"{path}.damaged-{now:yyyyMMddHHmmssfff}";
        try
        {
            foreach (var part in Parts)
                if (File.Exists(path + part)) File.Move(path + part, aside + part);
            return aside;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new ExecutorException(ErrorCode.StorageFailed, $"The damaged database {path} could not be set aside: {e.Message} Make its directory writable.", innerException: e);
        }
    }

    public static string ConnectionString(string path, bool pooling) => new SqliteConnectionStringBuilder
    {
        DataSource = path,
        Mode = SqliteOpenMode.ReadWrite,
        Pooling = pooling,
        DefaultTimeout = 5,
    }.ToString();

    private static FileStream OpenPrivate(string path)
    {
        var options = new FileStreamOptions { Mode = FileMode.OpenOrCreate, Access = FileAccess.ReadWrite, Share = FileShare.None };
        if (!OperatingSystem.IsWindows()) options.UnixCreateMode = OwnerOnly;
        return new FileStream(path, options);
    }
}
