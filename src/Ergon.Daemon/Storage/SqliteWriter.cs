using System.Threading.Channels;
using Ergon.Storage;
using Microsoft.Data.Sqlite;

namespace Ergon.Daemon.Storage;

/// <summary>The one who writes: takes whatever waits, and commits it together.</summary>
internal sealed class SqliteWriter : IAsyncDisposable
{
    private const int LargestBatch = 512;

    private readonly SqliteConnection _connection;
    private readonly SqliteStatements _statements;
    private readonly string _path;
    private readonly Channel<Write> _waiting = Channel.CreateUnbounded<Write>(new UnboundedChannelOptions { SingleReader = true });
    private readonly Task _writing;

    public SqliteWriter(SqliteConnection connection, StoredRequests requests, string path, int maxEvents)
    {
        (_connection, _path) = (connection, path);
        _statements = new SqliteStatements(connection, requests, maxEvents);
        _writing = Task.Run(WriteAllAsync);
    }

    /// <summary>How many transactions there have been.</summary>
    public long Commits { get; private set; }

    /// <summary>Completes once the change is committed; changes are committed in the order of the calls.</summary>
    public Task WriteAsync(string executorId, ExecutionChange change)
    {
        var write = new Write(executorId, change);
        if (!_waiting.Writer.TryWrite(write))
            write.Fail(new ExecutorException(ErrorCode.StorageFailed, $"The database {_path} has been closed.", change.Info.ExecutionId));
        return write.Done;
    }

    public async ValueTask DisposeAsync()
    {
        _waiting.Writer.TryComplete();
        await _writing;
        _statements.Dispose();
        await _connection.DisposeAsync();
    }

    private async Task WriteAllAsync()
    {
        var batch = new List<Write>(LargestBatch);
        while (await _waiting.Reader.WaitToReadAsync())
        {
            batch.Clear();
            while (batch.Count < LargestBatch && _waiting.Reader.TryRead(out var write)) batch.Add(write);
            Commit(batch);
        }
    }

    private void Commit(List<Write> batch)
    {
        try
        {
            using var transaction = _connection.BeginTransaction();
            foreach (var write in batch) _statements.Write(transaction, write.ExecutorId, write.Change);
            transaction.Commit();
            Commits++;
            foreach (var write in batch) write.Complete();
        }
        catch (SqliteException e) when (batch.Count > 1 && !SqliteErrors.IsWaiting(e))
        {
            // One that is too large, or a disk with room for some of them, must not fail the others.
            foreach (var write in batch) Commit([write]);
        }
        catch (Exception e)
        {
            foreach (var write in batch) write.Fail(Failed(write, e));
        }
    }

    private ExecutorException Failed(Write write, Exception e)
    {
        var id = write.Change.Info.ExecutionId;
        return e is SqliteException known
            ? SqliteErrors.Failed("store a change", _path, known, id)
            : new ExecutorException(ErrorCode.StorageFailed, $"The database {_path} could not store a change: {e.Message}", id, e);
    }

    private sealed class Write(string executorId, ExecutionChange change)
    {
        private readonly TaskCompletionSource _done = new(TaskCreationOptions.RunContinuationsAsynchronously);

        public string ExecutorId => executorId;

        public ExecutionChange Change => change;

        public Task Done => _done.Task;

        public void Complete() => _done.TrySetResult();

        public void Fail(ExecutorException error) => _done.TrySetException(error);
    }
}
