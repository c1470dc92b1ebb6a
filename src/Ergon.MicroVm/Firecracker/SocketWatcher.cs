namespace Ergon.MicroVm.Firecracker;

/// <summary>Waits until a file appears in a directory, told by the kernel (inotify(7)).</summary>
internal sealed class SocketWatcher : IDisposable
{
    private readonly string _path;
    private readonly FileSystemWatcher _watcher;
    private readonly TaskCompletionSource _appeared = new(TaskCreationOptions.RunContinuationsAsynchronously);

    /// <summary>Begins to watch; whatever appears from now on is seen.</summary>
    public SocketWatcher(string directory, string name)
    {
        _path = Path.Combine(directory, name);
        _watcher = new FileSystemWatcher(directory, name) { NotifyFilter = NotifyFilters.FileName };
        _watcher.Created += (_, _) => _appeared.TrySetResult();
        _watcher.EnableRaisingEvents = true;
    }

    public Task WaitAsync(CancellationToken cancellationToken)
    {
        if (File.Exists(_path)) _appeared.TrySetResult();
        return _appeared.Task.WaitAsync(cancellationToken);
    }

    public void Dispose() => _watcher.Dispose();
}
