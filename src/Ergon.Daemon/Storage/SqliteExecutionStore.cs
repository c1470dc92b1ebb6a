using System.Text.Json;
using Ergon.Storage;
using Microsoft.Data.Sqlite;

namespace Ergon.Daemon.Storage;

/// <summary>Keeps executions and their events in one SQLite database, for any number of executors of one process.</summary>
public sealed class SqliteExecutionStore : IExecutionStore, IAsyncDisposable
{
    private const int EventsPerPage = 500;

    private readonly string _path;
    private readonly FileStream _lock;
    private readonly StoredRequests _requests;
    private readonly SqliteWriter _writer;
    private readonly string _readers;

    private SqliteExecutionStore(SqliteStoreOptions options, FileStream @lock, SqliteConnection connection, StoredRequests requests, string? setAside)
    {
        _path = options.Path;
        _lock = @lock;
        _requests = requests;
        _writer = new SqliteWriter(connection, requests, options.Path, options.MaxEvents);
        _readers = SqliteDatabase.ConnectionString(options.Path, pooling: true);
        SetAside = setAside;
    }

    /// <inheritdoc/>
    public bool KeepsEvents => true;

    /// <summary>Where a damaged database was put, when there was one and the options asked for that.</summary>
    public string? SetAside { get; }

    /// <summary>How many transactions there have been; changes that wait at one time share one.</summary>
    internal long Commits => _writer.Commits;

    /// <summary>Opens the database, which no other process can use meanwhile; makes it, or brings it to this version, if need be.</summary>
    /// <exception cref="ExecutorException"><see cref="ErrorCode.StorageFailed"/>, with what to do about it.</exception>
    public static Task<SqliteExecutionStore> OpenAsync(
        SqliteStoreOptions options, TimeProvider? timeProvider = null, CancellationToken cancellationToken = default) =>
        Task.Run(() => Open(options, timeProvider ?? TimeProvider.System), cancellationToken);

    /// <inheritdoc/>
    public ValueTask<long> GetLastSequenceAsync(string executorId, CancellationToken cancellationToken) => ValueTask.FromResult(Read("tell its last event", connection =>
    {
        using var command = Command(connection, "SELECT max(sequence) FROM events WHERE executor = $executor", executorId);
        return command.ExecuteScalar() is long last ? last : 0;
    }));

    /// <inheritdoc/>
    public async ValueTask<StoredExecutions> LoadAsync(string executorId, CancellationToken cancellationToken) =>
        await Task.Run(() => Read("list its executions", connection => Load(connection, executorId)), cancellationToken);

    /// <inheritdoc/>
    public ValueTask AppendAsync(string executorId, ExecutionChange change) => new(_writer.WriteAsync(executorId, change));

    /// <inheritdoc/>
    public ValueTask<ExecutionResult> LoadResultAsync(string executorId, ExecutionId executionId, CancellationToken cancellationToken)
    {
        var json = Read("read a result", connection =>
        {
            using var command = Command(connection, "SELECT result FROM results WHERE executor = $executor AND id = $id", executorId, ("$id", executionId.Value));
            return command.ExecuteScalar() as byte[];
        });
        return json is null
            ? throw new ExecutorException(ErrorCode.StorageFailed, $"The database {_path} has no result of execution '{executionId}'.", executionId)
            : ValueTask.FromResult(Parse(json, executionId));
    }

    /// <inheritdoc/>
    public ValueTask<IReadOnlyList<ExecutionEvent>> ReadEventsAsync(string executorId, long after, CancellationToken cancellationToken) =>
        ValueTask.FromResult(Read("read events", connection => ReadEvents(connection, executorId, after)));

    /// <summary>Writes what waits, and closes the database.</summary>
    public async ValueTask DisposeAsync()
    {
        await _writer.DisposeAsync();
        _requests.Dispose();
        using (var readers = new SqliteConnection(_readers)) SqliteConnection.ClearPool(readers);
        await _lock.DisposeAsync();
    }

    private static SqliteExecutionStore Open(SqliteStoreOptions options, TimeProvider time)
    {
        var @lock = SqliteDatabase.Lock(options.Path);
        var damaged = false;
        string? aside = null;
        try
        {
            SqliteConnection connection;
            try
            {
                connection = SqliteDatabase.Open(options, out damaged);
            }
            catch (ExecutorException) when (damaged && options.SetAsideDamaged)
            {
                aside = SqliteDatabase.SetAside(options.Path, time.GetUtcNow());
                connection = SqliteDatabase.Open(options, out _);
            }

            return new SqliteExecutionStore(options, @lock, connection, OpenRequests(connection, options), aside);
        }
        catch
        {
            @lock.Dispose();
            throw;
        }
    }

    private static StoredRequests OpenRequests(SqliteConnection connection, SqliteStoreOptions options)
    {
        try
        {
            return StoredRequests.Open(connection, options);
        }
        catch
        {
            connection.Dispose();
            throw;
        }
    }

    private StoredExecutions Load(SqliteConnection connection, string executorId)
    {
        const string sql = """
            SELECT e.id, e.request, e.info, e.stopping, e.released, CASE WHEN e.terminal THEN NULL ELSE r.result END, e.paused, e.paused_since
            FROM executions e LEFT JOIN results r ON r.executor = e.executor AND r.id = e.id
            WHERE e.executor = $executor ORDER BY e.rowid
            """;
        var executions = new List<StoredExecution>();
        var damaged = new Dictionary<ExecutionId, ExecutorException>();
        using var command = Command(connection, sql, executorId);
        using var row = command.ExecuteReader();
        while (row.Read())
        {
            try
            {
                executions.Add(new StoredExecution(
                    _requests.Read(executorId, row.GetString(0), row.GetFieldValue<byte[]>(1)),
                    ErgonJson.ParseInfo(row.GetFieldValue<byte[]>(2)),
                    row.IsDBNull(3) ? null : ReasonOf(row.GetString(3)),
                    new PauseTimes(new TimeSpan(row.GetInt64(6)), row.IsDBNull(7) ? null : new DateTimeOffset(row.GetInt64(7), TimeSpan.Zero)),
                    row.GetBoolean(4),
                    row.IsDBNull(5) ? null : ErgonJson.ParseResult(row.GetFieldValue<byte[]>(5))));
            }
            catch (ExecutorException e)
            {
                if (ExecutionId.TryParse(row.GetString(0), out var id)) damaged.Add(id, e);
            }
        }

        return new StoredExecutions(executions, damaged);
    }

    private static IReadOnlyList<ExecutionEvent> ReadEvents(SqliteConnection connection, string executorId, long after)
    {
        using var transaction = connection.BeginTransaction(deferred: true);
        using var pruned = Command(connection, "SELECT sequence FROM pruned WHERE executor = $executor", executorId);
        if (pruned.ExecuteScalar() is long gone && after < gone)
        {
            throw new ExecutorException(
                [new RequestProblem("after", $"is {after}, but events up to {gone} are no longer kept. List what there is, and watch from {gone} or from now on.")], null);
        }

        using var command = Command(
            connection,
            $"SELECT event FROM events WHERE executor = $executor AND sequence > $after ORDER BY sequence LIMIT {EventsPerPage}",
            executorId,
            ("$after", after));
        using var row = command.ExecuteReader();
        var events = new List<ExecutionEvent>();
        while (row.Read()) events.Add(ErgonJson.ParseEvent(row.GetFieldValue<byte[]>(0)));
        return events;
    }

    private static TerminationReason ReasonOf(string text) => Enum.GetValues<TerminationReason>()
        .FirstOrDefault(r => JsonNamingPolicy.SnakeCaseLower.ConvertName(r.ToString()) == text, TerminationReason.Cancelled);

    private static SqliteCommand Command(SqliteConnection connection, string sql, string executorId, params ReadOnlySpan<(string Name, object Value)> parameters)
    {
        var command = connection.CreateCommand();
        command.CommandText = sql;
        command.Parameters.AddWithValue("$executor", executorId);
        foreach (var (name, value) in parameters) command.Parameters.AddWithValue(name, value);
        return command;
    }

    private static ExecutionResult Parse(byte[] json, ExecutionId id)
    {
        try
        {
            return ErgonJson.ParseResult(json);
        }
        catch (ExecutorException e)
        {
            throw new ExecutorException(ErrorCode.StorageFailed, $"The retained result of execution '{id}' is damaged: {e.Message}", id, e);
        }
    }

    private T Read<T>(string what, Func<SqliteConnection, T> read)
    {
        try
        {
            using var connection = new SqliteConnection(_readers);
            connection.Open();
            return read(connection);
        }
        catch (SqliteException e)
        {
            throw SqliteErrors.Failed(what, _path, e);
        }
    }
}
