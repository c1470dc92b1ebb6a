using Ergon.Engine;
using Ergon.Logs;

namespace Ergon.Storage;

/// <summary>
/// The executor's own directory: one directory per execution with the files of its log and, where the driver has any, its <c>work</c>. Only one process
/// may use it at a time.
/// </summary>
internal sealed class ExecutorDirectory : IDisposable
{
    private const UnixFileMode OwnerOnly = UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute;

    private readonly bool _temporary;
    private readonly FileStream _lock;

    private ExecutorDirectory(string root, bool temporary, FileStream @lock) => (Root, _temporary, _lock) = (root, temporary, @lock);

    public string Root { get; }

    /// <summary>Opens the directory of an executor id, making it if it is missing.</summary>
    /// <exception cref="ExecutorException"><see cref="ErrorCode.StorageFailed"/> when it cannot be written or is in use.</exception>
    public static ExecutorDirectory Open(string? dataDirectory, string executorId)
    {
        var root = dataDirectory is null ? Path.GetTempPath() : Path.Combine(dataDirectory, executorId);
        try
        {
            // A temporary directory has a name that nobody can have taken before.
            if (dataDirectory is null) root = Directory.CreateTempSubdirectory("ergon-").FullName;
            else CreatePrivate(root);
            var file = new FileStream(Path.Combine(root, "lock"), FileMode.OpenOrCreate, FileAccess.ReadWrite, FileShare.None);
            return new ExecutorDirectory(root, temporary: dataDirectory is null, file);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new ExecutorException(
                ErrorCode.StorageFailed,
                $"The data directory {root} cannot be used: {e.Message} Make it writable, or stop the other process that uses the executor id '{executorId}'.",
                innerException: e);
        }
    }

    /// <summary>The directories below it: those of executions, and what a removal did not come to delete.</summary>
    public IReadOnlyList<string> ListDirectories() => Directory.GetDirectories(Root);

    /// <summary>Makes the directory of a new execution.</summary>
    /// <exception cref="ExecutorException">
    /// <see cref="ErrorCode.ExecutionAlreadyStarted"/> when a former process left one; <see cref="ErrorCode.StorageFailed"/>.
    /// </exception>
    public void Create(ExecutionId id)
    {
        var directory = DirectoryOf(id);
        if (Directory.Exists(directory))
        {
            throw new ExecutorException(
                ErrorCode.ExecutionAlreadyStarted,
                $"A former process of this executor started execution '{id}'. Call RecoverAsync to take it over, or use another id.",
                id);
        }

        Create(directory, id);
    }

    /// <summary>Makes a directory that belongs to an execution, if it is missing.</summary>
    /// <exception cref="ExecutorException"><see cref="ErrorCode.StorageFailed"/>.</exception>
    public static void Create(string directory, ExecutionId id)
    {
        try
        {
            CreatePrivate(directory);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new ExecutorException(
                ErrorCode.StorageFailed, $"The executor could not create the directory of the execution: {e.Message} Free space in its data directory or repair it.", id, e);
        }
    }

    /// <summary>Makes a directory that only its owner may read, if it is missing.</summary>
    public static void CreatePrivate(string path)
    {
        if (OperatingSystem.IsWindows()) Directory.CreateDirectory(path);
        else Directory.CreateDirectory(path, OwnerOnly);
    }

    public string DirectoryOf(ExecutionId id) => Path.Combine(Root, id.Value);

    /// <summary>Brings the log of an execution that an earlier version left to where it is now: it had a directory of its own.</summary>
    public static void BringUpLog(string directory)
    {
        var former = Path.Combine(directory, "log");
        if (!Directory.Exists(former)) return;
        foreach (var file in Directory.GetFiles(former)) File.Move(file, Path.Combine(directory, Path.GetFileName(file)));
        Directory.Delete(former);
    }

    public static string WorkDirectory(string directory) => Path.Combine(directory, "work");

    /// <summary>Writes a result that is too large for the memory, where no later process reads it.</summary>
    /// <exception cref="ExecutorException"><see cref="ErrorCode.StorageFailed"/>.</exception>
    public static void SaveResult(string directory, ExecutionResult result)
    {
        try
        {
            AtomicFile.Write(Path.Combine(directory, "result.json"), ErgonJson.SerializeResult(result));
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw ResultFailed("write", result.ExecutionId, e);
        }
    }

    /// <summary>Reads a result that <see cref="SaveResult"/> wrote.</summary>
    /// <exception cref="ExecutorException"><see cref="ErrorCode.StorageFailed"/>.</exception>
    public static async Task<ExecutionResult> LoadResultAsync(Execution execution, CancellationToken cancellationToken)
    {
        try
        {
            return ErgonJson.ParseResult(await File.ReadAllBytesAsync(Path.Combine(execution.Directory, "result.json"), cancellationToken));
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or ExecutorException)
        {
            throw ResultFailed("read", execution.Id, e);
        }
    }

    /// <summary>Deletes log, result and work of a concluded execution.</summary>
    public static void Release(Execution execution)
    {
        OutputLog.Delete(execution.Directory);
        Delete(WorkDirectory(execution.Directory));
        if (!execution.Recorded) File.Delete(Path.Combine(execution.Directory, "result.json"));
    }

    /// <summary>
    /// Takes the directory of an execution out of the way at once, so that the id is free; returns what is then to be deleted, if anything is.
    /// </summary>
    public string? SetAside(string directory)
    {
        // No id begins with a dot.
        var aside = Path.Combine(Root, $".removed-{Guid.NewGuid():n}");
        try
        {
            Directory.Move(directory, aside);
            return aside;
        }
        catch (DirectoryNotFoundException)
        {
            return null;
        }
        catch (IOException)
        {
            // Windows moves no directory in which a file is open.
            Delete(directory);
            return null;
        }
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
        if (_temporary) Delete(Root);
        _lock.Dispose();
    }

    private static ExecutorException ResultFailed(string what, ExecutionId id, Exception e) => new(
        ErrorCode.StorageFailed, $"The executor could not {what} the retained result: {e.Message} Free space in its data directory or repair it.", id, e);
}
