namespace Ergon.Engine;

/// <summary>
/// The executor's own directory: one directory per execution with <c>request.json</c>, <c>state.json</c>, <c>result.json</c>, the
/// <c>log</c> and the driver's <c>work</c>. Only one process may use it at a time.
/// </summary>
internal sealed class ExecutorStorage : IDisposable
{
    private const UnixFileMode OwnerOnly = UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute;

    private readonly string _root;
    private readonly bool _temporary;
    private readonly FileStream _lock;

    private ExecutorStorage(string root, bool temporary, FileStream @lock) => (_root, _temporary, _lock) = (root, temporary, @lock);

    /// <summary>Opens the directory of an executor id, making it if it is missing.</summary>
    /// <exception cref="ExecutorException"><see cref="ErrorCode.StorageFailed"/> when it cannot be written or is in use.</exception>
    public static ExecutorStorage Open(string? dataDirectory, string executorId)
    {
        var root = dataDirectory is null ? Path.GetTempPath() : Path.Combine(dataDirectory, executorId);
        try
        {
            // A temporary directory has a name that nobody can have taken before.
            if (dataDirectory is null) root = Directory.CreateTempSubdirectory("ergon-").FullName;
            else CreatePrivateDirectory(root);
            var file = new FileStream(Path.Combine(root, "lock"), FileMode.OpenOrCreate, FileAccess.ReadWrite, FileShare.None);
            return new ExecutorStorage(root, temporary: dataDirectory is null, file);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new ExecutorException(
                ErrorCode.StorageFailed,
                $"The data directory {root} cannot be used: {e.Message} Make it writable, or stop the other process that uses the executor id '{executorId}'.",
                innerException: e);
        }
    }

    /// <summary>Whether a later process finds this directory.</summary>
    public bool Outlives => !_temporary;

    /// <summary>The directories of the executions that a former process left.</summary>
    public IReadOnlyList<string> ListDirectories() => Directory.GetDirectories(_root);

    /// <summary>Makes the directory of a new execution, with its request if a later process may take it over.</summary>
    /// <exception cref="ExecutorException">
    /// <see cref="ErrorCode.ExecutionAlreadyStarted"/> when a former process left one; <see cref="ErrorCode.StorageFailed"/>.
    /// </exception>
    public void Create(ExecutionRequest request, ExecutionInfo info)
    {
        var directory = DirectoryOf(request.ExecutionId);
        if (Directory.Exists(directory))
        {
            throw new ExecutorException(
                ErrorCode.ExecutionAlreadyStarted,
                $"A former process of this executor started execution '{request.ExecutionId}'. Call RecoverAsync to take it over, or use another id.",
                request.ExecutionId);
        }

        try
        {
            CreatePrivateDirectory(directory);
            CreatePrivateDirectory(LogDirectory(directory));
            CreatePrivateDirectory(WorkDirectory(directory));
            if (!Outlives) return;
            WriteAtomically(Path.Combine(directory, "request.json"), ErgonJson.SerializeRequest(request));
            SaveState(directory, info);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            Delete(directory);
            throw Failed("create the records of the execution", request.ExecutionId, e);
        }
    }

    public string DirectoryOf(ExecutionId id) => Path.Combine(_root, id.Value);

    public static string LogDirectory(string directory) => Path.Combine(directory, "log");

    public static string WorkDirectory(string directory) => Path.Combine(directory, "work");

    /// <summary>Records the state, whole or not at all, if a later process may take the execution over.</summary>
    /// <exception cref="ExecutorException"><see cref="ErrorCode.StorageFailed"/>.</exception>
    public static void SaveState(Execution execution, ExecutionInfo info, bool released = false)
    {
        if (execution.Recorded) SaveState(execution.Directory, info, released);
    }

    private static void SaveState(string directory, ExecutionInfo info, bool released = false)
    {
        try
        {
            WriteAtomically(Path.Combine(directory, "state.json"), StateRecord.From(info, released).Serialize());
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw Failed($"record the status '{info.Status}'", info.ExecutionId, e);
        }
    }

    /// <summary>Records the result; the state that speaks of it is saved after it.</summary>
    /// <exception cref="ExecutorException"><see cref="ErrorCode.StorageFailed"/>.</exception>
    public static void SaveResult(string directory, ExecutionResult result)
    {
        try
        {
            WriteAtomically(Path.Combine(directory, "result.json"), ErgonJson.SerializeResult(result));
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw Failed("record the result", result.ExecutionId, e);
        }
    }

    /// <summary>Reads a retained result.</summary>
    /// <exception cref="ExecutorException"><see cref="ErrorCode.StorageFailed"/>.</exception>
    public static async Task<ExecutionResult> LoadResultAsync(Execution execution, CancellationToken cancellationToken)
    {
        try
        {
            return ErgonJson.ParseResult(await File.ReadAllBytesAsync(Path.Combine(execution.Directory, "result.json"), cancellationToken));
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or ExecutorException)
        {
            throw Failed("read the retained result", execution.Id, e);
        }
    }

    /// <summary>Reads what a former process left of an execution.</summary>
    /// <exception cref="ExecutorException"><see cref="ErrorCode.StorageFailed"/> or <see cref="ErrorCode.InvalidRequest"/> when it is damaged.</exception>
    public static (ExecutionRequest Request, StateRecord State) Load(string directory)
    {
        try
        {
            var request = ErgonJson.ParseRequest(File.ReadAllBytes(Path.Combine(directory, "request.json")));
            return (request, StateRecord.Parse(File.ReadAllBytes(Path.Combine(directory, "state.json"))));
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw Failed($"read the records in {directory}", null, e);
        }
    }

    /// <summary>Gives up log, result and request of a concluded execution, but remembers that it was.</summary>
    public static void Release(Execution execution)
    {
        SaveState(execution, execution.Info, released: true);
        Delete(LogDirectory(execution.Directory));
        Delete(WorkDirectory(execution.Directory));
        File.Delete(Path.Combine(execution.Directory, "result.json"));
    }

    /// <summary>Deletes a directory of this executor; nothing happens when it is not there.</summary>
    public static void Delete(string directory)
    {
        try
        {
            Directory.Delete(directory, recursive: true);
        }
        catch (DirectoryNotFoundException)
        {
        }
    }

    public void Dispose()
    {
        if (_temporary) Delete(_root);
        _lock.Dispose();
    }

    private static void CreatePrivateDirectory(string path)
    {
        if (OperatingSystem.IsWindows()) Directory.CreateDirectory(path);
        else Directory.CreateDirectory(path, OwnerOnly);
    }

    private static void WriteAtomically(string path, byte[] content)
    {
        var temporary = path + ".new";
        File.WriteAllBytes(temporary, content);
        File.Move(temporary, path, overwrite: true);
    }

    private static ExecutorException Failed(string what, ExecutionId? id, Exception e) => new(
        ErrorCode.StorageFailed, $"The executor could not {what}: {e.Message} Free space in its data directory or repair it.", id, e);
}
