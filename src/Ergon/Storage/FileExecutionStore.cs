using Ergon.Engine;

namespace Ergon.Storage;

/// <summary>
/// Keeps records beside the logs: <c>request.json</c>, <c>state.json</c> and <c>result.json</c> in the directory of each execution. No
/// events.
/// </summary>
internal sealed class FileExecutionStore(string dataDirectory, string executorName) : IExecutionStore
{
    private const string RequestFile = "request.json";
    private const string StateFile = "state.json";
    private const string ResultFile = "result.json";

    public bool KeepsEvents => false;

    /// <summary>Whether there are records of an execution in a directory.</summary>
    public static bool HasRecords(string directory) => File.Exists(Path.Combine(directory, StateFile));

    public ValueTask<long> GetLastSequenceAsync(string executorId, CancellationToken cancellationToken) => ValueTask.FromResult(0L);

    public ValueTask<StoredExecutions> LoadAsync(string executorId, CancellationToken cancellationToken)
    {
        var executions = new List<StoredExecution>();
        var damaged = new Dictionary<ExecutionId, ExecutorException>();
        foreach (var directory in Directory.GetDirectories(Path.Combine(dataDirectory, executorId)))
        {
            cancellationToken.ThrowIfCancellationRequested();
            // The state is written last and deleted first: without it nobody was told of the execution.
            if (!ExecutionId.TryParse(Path.GetFileName(directory), out var id) || !HasRecords(directory)) continue;
            try
            {
                executions.Add(Load(directory));
            }
            catch (ExecutorException e)
            {
                damaged.Add(id, e);
            }
        }

        return ValueTask.FromResult(new StoredExecutions(executions, damaged));
    }

    public ValueTask AppendAsync(string executorId, ExecutionChange change)
    {
        var directory = Path.Combine(dataDirectory, executorId, change.Info.ExecutionId.Value);
        try
        {
            if (change.Removed) Remove(directory);
            else Write(directory, change);
            return ValueTask.CompletedTask;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return ValueTask.FromException(Failed($"record the status '{change.Info.Status}'", change.Info.ExecutionId, e));
        }
    }

    public async ValueTask<ExecutionResult> LoadResultAsync(string executorId, ExecutionId executionId, CancellationToken cancellationToken)
    {
        try
        {
            var file = Path.Combine(dataDirectory, executorId, executionId.Value, ResultFile);
            return ErgonJson.ParseResult(await File.ReadAllBytesAsync(file, cancellationToken));
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or ExecutorException)
        {
            throw Failed("read the retained result", executionId, e);
        }
    }

    public ValueTask<IReadOnlyList<ExecutionEvent>> ReadEventsAsync(string executorId, long after, CancellationToken cancellationToken) =>
        throw new ExecutorException(ErrorCode.NotSupported, "Records in files have no events.");

    private StoredExecution Load(string directory)
    {
        try
        {
            var request = ErgonJson.ParseRequest(File.ReadAllBytes(Path.Combine(directory, RequestFile)));
            var state = StateRecord.Parse(File.ReadAllBytes(Path.Combine(directory, StateFile)));
            var resultFile = Path.Combine(directory, ResultFile);
            var result = !StatusRules.IsTerminal(state.Status) && File.Exists(resultFile) ? ErgonJson.ParseResult(File.ReadAllBytes(resultFile)) : null;
            return new StoredExecution(request, state.ToInfo(request, executorName), state.Stopping, new PauseTimes(new TimeSpan(state.PausedTicks), state.PausedSince), state.Released, result);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw Failed($"read the records in {directory}", null, e);
        }
    }

    private static void Write(string directory, ExecutionChange change)
    {
        ExecutorDirectory.CreatePrivate(directory);
        if (change.Request is { } request) AtomicFile.Write(Path.Combine(directory, RequestFile), ErgonJson.SerializeRequest(request));
        if (change.Result is { } result) AtomicFile.Write(Path.Combine(directory, ResultFile), ErgonJson.SerializeResult(result));
        AtomicFile.Write(Path.Combine(directory, StateFile), StateRecord.From(change).Serialize());
        if (change.Released) File.Delete(Path.Combine(directory, ResultFile));
    }

    private static void Remove(string directory)
    {
        if (!Directory.Exists(directory)) return;
        foreach (var file in new[] { StateFile, RequestFile, ResultFile }) File.Delete(Path.Combine(directory, file));
    }

    private static ExecutorException Failed(string what, ExecutionId? id, Exception e) => new(
        ErrorCode.StorageFailed, $"The executor could not {what}: {e.Message} Free space in its data directory or repair it.", id, e);
}
