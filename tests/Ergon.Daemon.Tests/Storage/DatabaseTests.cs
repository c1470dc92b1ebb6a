using Ergon.Daemon.Storage;
using Ergon.Storage;

namespace Ergon.Daemon.Tests.Storage;

/// <summary>A directory with a database, and changes to put into it.</summary>
public abstract class DatabaseTests : IAsyncDisposable
{
    protected const string ExecutorName = "first";

    private readonly DirectoryInfo _directory = Directory.CreateTempSubdirectory("ergon-database-");
    private readonly List<SqliteExecutionStore> _stores = [];

    protected static CancellationToken Token => TestContext.Current.CancellationToken;

    protected string Data => _directory.FullName;

    protected string File => Path.Combine(_directory.FullName, "ergon.db");

    protected async Task<SqliteExecutionStore> OpenAsync(Func<SqliteStoreOptions, SqliteStoreOptions>? change = null)
    {
        var options = new SqliteStoreOptions { Path = File };
        var store = await SqliteExecutionStore.OpenAsync(change?.Invoke(options) ?? options, cancellationToken: Token);
        _stores.Add(store);
        return store;
    }

    protected static ExecutionRequest Request(string id, int padding = 0) => new()
    {
        JobId = JobId.Parse("kept"),
        ExecutionId = ExecutionId.Parse(id),
        EngineSpec = new SpecConfig { Type = "memory" },
        Environment = new Dictionary<string, string> { ["PADDING"] = new('x', padding) },
    };

    protected static ExecutionInfo Info(ExecutionRequest request, ExecutionStatus status = ExecutionStatus.Pending) => new()
    {
        JobId = request.JobId,
        ExecutionId = request.ExecutionId,
        Executor = "memory",
        Status = status,
        CreatedAt = new DateTimeOffset(2030, 1, 2, 3, 4, 5, TimeSpan.Zero),
    };

    protected static ExecutionChange Created(string id, int padding = 0)
    {
        var request = Request(id, padding);
        return new ExecutionChange { Info = Info(request), Request = request };
    }

    protected static ExecutionEvent Event(long sequence, ExecutionInfo info) => new()
    {
        Sequence = sequence,
        Timestamp = info.CreatedAt.AddSeconds(sequence),
        Type = ExecutionEventType.Created,
        Info = info,
    };

    protected static ExecutionResult Result(ExecutionRequest request, string output) => new()
    {
        JobId = request.JobId,
        ExecutionId = request.ExecutionId,
        Status = ExecutionStatus.Failed,
        Reason = TerminationReason.Exited,
        ExitCode = 3,
        Stdout = new CapturedOutput { Bytes = System.Text.Encoding.UTF8.GetBytes(output), TotalBytes = output.Length },
        Stderr = CapturedOutput.Empty,
        CreatedAt = new DateTimeOffset(2030, 1, 2, 3, 4, 5, TimeSpan.Zero),
        StartedAt = new DateTimeOffset(2030, 1, 2, 3, 4, 6, TimeSpan.Zero),
        FinishedAt = new DateTimeOffset(2030, 1, 2, 3, 4, 7, TimeSpan.Zero),
    };

    protected static async Task<ExecutorException> StorageFails(Func<Task> act)
    {
        var error = await Assert.ThrowsAsync<ExecutorException>(act);
        error.Code.Should().Be(ErrorCode.StorageFailed);
        return error;
    }

    public virtual async ValueTask DisposeAsync()
    {
        GC.SuppressFinalize(this);
        foreach (var store in _stores) await store.DisposeAsync();
        _directory.Delete(recursive: true);
    }
}
