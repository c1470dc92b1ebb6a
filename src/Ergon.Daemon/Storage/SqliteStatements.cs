using System.Text.Json;
using Ergon.Storage;
using Microsoft.Data.Sqlite;

namespace Ergon.Daemon.Storage;

/// <summary>The statements that write a change, prepared once. Used by one thread at a time, within a transaction.</summary>
internal sealed class SqliteStatements : IDisposable
{
    // Events are pruned now and then, a slice at a time.
    private const int PruneEvery = 1000;

    private readonly SqliteConnection _connection;
    private readonly StoredRequests _requests;
    private readonly int _maxEvents;
    private readonly List<SqliteCommand> _all = [];
    private readonly SqliteCommand _insert;
    private readonly SqliteCommand _update;
    private readonly SqliteCommand _delete;
    private readonly SqliteCommand _result;
    private readonly SqliteCommand _deleteResult;
    private readonly SqliteCommand _event;
    private readonly SqliteCommand _prune;
    private readonly SqliteCommand _pruned;

    public SqliteStatements(SqliteConnection connection, StoredRequests requests, int maxEvents)
    {
        (_connection, _requests, _maxEvents) = (connection, requests, maxEvents);
        _insert = Prepare(
            "INSERT INTO executions (executor, id, request, info, terminal, released, stopping) VALUES ($executor, $id, $request, $info, $terminal, $released, $stopping)",
            "$executor", "$id", "$request", "$info", "$terminal", "$released", "$stopping");
        _update = Prepare(
            "UPDATE executions SET info = $info, terminal = $terminal, released = $released, stopping = $stopping, paused = $paused, paused_since = $since WHERE executor = $executor AND id = $id",
            "$executor", "$id", "$info", "$terminal", "$released", "$stopping", "$paused", "$since");
        _delete = Prepare("DELETE FROM executions WHERE executor = $executor AND id = $id", "$executor", "$id");
        _result = Prepare("INSERT OR REPLACE INTO results (executor, id, result) VALUES ($executor, $id, $result)", "$executor", "$id", "$result");
        _deleteResult = Prepare("DELETE FROM results WHERE executor = $executor AND id = $id", "$executor", "$id");
        _event = Prepare("INSERT OR REPLACE INTO events (executor, sequence, event) VALUES ($executor, $sequence, $event)", "$executor", "$sequence", "$event");
        _prune = Prepare("DELETE FROM events WHERE executor = $executor AND sequence <= $sequence", "$executor", "$sequence");
        _pruned = Prepare("INSERT OR REPLACE INTO pruned (executor, sequence) VALUES ($executor, $sequence)", "$executor", "$sequence");
    }

    /// <summary>Writes one change.</summary>
    public void Write(SqliteTransaction transaction, string executorId, ExecutionChange change)
    {
        var id = change.Info.ExecutionId.Value;
        if (change.Removed) Run(transaction, _delete, executorId, id);
        else if (change.Request is { } request)
            Run(transaction, _insert, executorId, id, _requests.Write(executorId, request), ErgonJson.SerializeInfo(change.Info), change.Info.IsTerminal, change.Released, Text(change.Stopping));
        else
            Run(transaction, _update, executorId, id, ErgonJson.SerializeInfo(change.Info), change.Info.IsTerminal, change.Released, Text(change.Stopping), change.Pauses.Total.Ticks, Ticks(change.Pauses.Since));

        if (change.Removed || change.Released) Run(transaction, _deleteResult, executorId, id);
        else if (change.Result is { } result) Run(transaction, _result, executorId, id, ErgonJson.SerializeResult(result));
        if (change.Event is { } e) WriteEvent(transaction, executorId, e);
    }

    public void Dispose() => _all.ForEach(c => c.Dispose());

    private void WriteEvent(SqliteTransaction transaction, string executorId, ExecutionEvent e)
    {
        Run(transaction, _event, executorId, e.Sequence, ErgonJson.SerializeEvent(e));
        if (e.Sequence % PruneEvery != 0 || e.Sequence <= _maxEvents) return;
        Run(transaction, _prune, executorId, e.Sequence - _maxEvents);
        Run(transaction, _pruned, executorId, e.Sequence - _maxEvents);
    }

    private static object Text(TerminationReason? reason) =>
        reason is { } some ? JsonNamingPolicy.SnakeCaseLower.ConvertName(some.ToString()) : DBNull.Value;

    private static object Ticks(DateTimeOffset? time) => time is { } some ? some.UtcTicks : DBNull.Value;

    private static void Run(SqliteTransaction transaction, SqliteCommand command, params ReadOnlySpan<object> values)
    {
        command.Transaction = transaction;
        for (var i = 0; i < values.Length; i++) command.Parameters[i].Value = values[i];
        command.ExecuteNonQuery();
    }

    private SqliteCommand Prepare(string sql, params ReadOnlySpan<string> parameters)
    {
        var command = _connection.CreateCommand();
        command.CommandText = sql;
        foreach (var name in parameters) command.Parameters.Add(new SqliteParameter { ParameterName = name, Value = DBNull.Value });
        command.Prepare();
        _all.Add(command);
        return command;
    }
}
