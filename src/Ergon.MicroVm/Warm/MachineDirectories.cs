using System.Collections.Concurrent;

namespace Ergon.MicroVm.Warm;

/// <summary>The directory of a machine that was started before its job.</summary>
/// <param name="Name">Its name, where an execution has its id.</param>
/// <param name="Path">Where it is.</param>
internal sealed record MachineDirectory(string Name, string Path);

/// <summary>
/// The directories of the machines that were started before their jobs, and which execution each has become the machine of: it outlives this
/// process.
/// </summary>
/// <param name="root">A directory of which the executors have one each.</param>
internal sealed class MachineDirectories(string root)
{
    private const string ExecutionName = "execution";
    private const UnixFileMode OwnerOnly = UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute;

    private readonly ConcurrentDictionary<string, byte> _waiting = new(StringComparer.Ordinal);

    /// <summary>Makes one for a machine that is to wait.</summary>
    public MachineDirectory Create(string executorId)
    {
        var name = $"waiting-{Guid.NewGuid():n}";
        _waiting.TryAdd(name, 0);
        var path = Path.Combine(root, executorId, name);
        Directory.CreateDirectory(path, OwnerOnly);
        return new MachineDirectory(name, path);
    }

    /// <summary>Notes that the machine has become that of an execution.</summary>
    public void Assign(MachineDirectory directory, ExecutionId execution)
    {
        // Written whole or not at all: a crash may come at any time.
        var temporary = Path.Combine(directory.Path, ExecutionName + ".new");
        File.WriteAllText(temporary, execution.Value);
        File.Move(temporary, Path.Combine(directory.Path, ExecutionName));
        _waiting.TryRemove(directory.Name, out _);
    }

    /// <summary>Finds the machine that has become that of an execution.</summary>
    public MachineDirectory? Find(string executorId, ExecutionId execution) => List(executorId).FirstOrDefault(d => ExecutionOf(d.Path) == execution.Value);

    /// <summary>Whether a machine waits for a job of this process, or is that of one of some executions.</summary>
    public bool IsNeeded(string executorId, string name, IReadOnlySet<ExecutionId> executions) =>
        // In this order: what no longer waits has its execution by then.
        _waiting.ContainsKey(name) || (ExecutionOf(Path.Combine(root, executorId, name)) is { } text && ExecutionId.TryParse(text, out var id) && executions.Contains(id));

    /// <summary>Removes those that nobody needs.</summary>
    public void RemoveUnneeded(string executorId, IReadOnlySet<ExecutionId> executions)
    {
        foreach (var directory in List(executorId))
            if (!IsNeeded(executorId, directory.Name, executions)) Remove(directory);
        RemoveExecutor(executorId);
    }

    /// <summary>Removes one; it may be gone.</summary>
    public void Remove(MachineDirectory directory)
    {
        try
        {
            Directory.Delete(directory.Path, recursive: true);
        }
        catch (DirectoryNotFoundException)
        {
            // Somebody was quicker.
        }

        _waiting.TryRemove(directory.Name, out _);
    }

    /// <summary>Removes the directory of an executor that has none.</summary>
    public void RemoveExecutor(string executorId)
    {
        var directory = Path.Combine(root, executorId);
        try
        {
            if (Directory.Exists(directory) && !Directory.EnumerateFileSystemEntries(directory).Any()) Directory.Delete(directory);
        }
        catch (IOException)
        {
            // One has just been made in it, or somebody was quicker.
        }
    }

    private static string? ExecutionOf(string directory)
    {
        try
        {
            return File.ReadAllText(Path.Combine(directory, ExecutionName));
        }
        catch (Exception e) when (e is FileNotFoundException or DirectoryNotFoundException)
        {
            return null;
        }
    }

    private IEnumerable<MachineDirectory> List(string executorId)
    {
        try
        {
            return [.. Directory.EnumerateDirectories(Path.Combine(root, executorId)).Select(path => new MachineDirectory(Path.GetFileName(path), path))];
        }
        catch (DirectoryNotFoundException)
        {
            return [];
        }
    }
}
