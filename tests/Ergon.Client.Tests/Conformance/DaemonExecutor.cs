using Ergon.Daemon;

namespace Ergon.Client.Tests.Conformance;

/// <summary>A daemon of its own and the connection to it, as one executor: with the executor its daemon ends.</summary>
internal sealed class DaemonExecutor : IExecutor
{
    private readonly DaemonProcess _daemon;
    private readonly RemoteExecutor _remote;
    private bool _disposed;

    public DaemonExecutor(string directory, ExecutorOptions options)
    {
        ExecutorId = options.ExecutorId!;
        _daemon = DaemonProcess.Start(directory, new DaemonFile
        {
            Data = options.DataDirectory,
            Executors = ["process"],
            ExecutorIds = new Dictionary<string, string> { ["process"] = ExecutorId },
            OnShutdown = options.DisposeBehavior,
            MaxConcurrentExecutions = options.MaxConcurrentExecutions,
            PersistLogs = options.DefaultPersistLogs,
            Policy = new DaemonPolicy { VolumeRoots = options.AllowedVolumeRoots },
        });
        _remote = new RemoteExecutor(new RemoteExecutorOptions { Address = _daemon.Address, Executor = "process" });
    }

    public string Name => _remote.Name;

    public string ExecutorId { get; }

    /// <summary>The daemon's own log, for tests that fail.</summary>
    public string Log => _daemon.Log;

    // A daemon that cannot have its data directory does not begin to serve; why not is on its stderr.
    public async Task StartAsync(ExecutionRequest request, CancellationToken cancellationToken = default)
    {
        var start = _remote.StartAsync(request, cancellationToken);
        if (await Task.WhenAny(start, _daemon.Ended) == start) await start;
        else throw new ExecutorException(_daemon.Log.Contains("cannot be used", StringComparison.Ordinal) ? ErrorCode.StorageFailed : ErrorCode.BackendFailed, _daemon.Log);
    }

    public Task<ExecutionResult> RunAsync(ExecutionRequest request, CancellationToken cancellationToken = default) => _remote.RunAsync(request, cancellationToken);

    public Task<ExecutionResult> WaitAsync(ExecutionId executionId, CancellationToken cancellationToken = default) => _remote.WaitAsync(executionId, cancellationToken);

    public Task CancelAsync(ExecutionId executionId, CancellationToken cancellationToken = default) => _remote.CancelAsync(executionId, cancellationToken);

    public IAsyncEnumerable<LogEntry> GetLogStreamAsync(LogStreamRequest request, CancellationToken cancellationToken = default) => _remote.GetLogStreamAsync(request, cancellationToken);

    public Task PauseAsync(ExecutionId executionId, CancellationToken cancellationToken = default) => _remote.PauseAsync(executionId, cancellationToken);

    public Task ResumeAsync(ExecutionId executionId, CancellationToken cancellationToken = default) => _remote.ResumeAsync(executionId, cancellationToken);

    public Task SignalAsync(ExecutionId executionId, Signal signal, CancellationToken cancellationToken = default) => _remote.SignalAsync(executionId, signal, cancellationToken);

    public Task<IExecSession> ExecAsync(ExecutionId executionId, ExecRequest request, CancellationToken cancellationToken = default) => _remote.ExecAsync(executionId, request, cancellationToken);

    public Task<ExecutionInfo> GetStatusAsync(ExecutionId executionId, CancellationToken cancellationToken = default) => _remote.GetStatusAsync(executionId, cancellationToken);

    public Task<ExecutionInfo> WaitForStatusAsync(ExecutionId executionId, ExecutionStatus status, TimeSpan timeout, CancellationToken cancellationToken = default) =>
        _remote.WaitForStatusAsync(executionId, status, timeout, cancellationToken);

    public Task<IReadOnlyList<ExecutionInfo>> ListAsync(ListRequest? request = null, CancellationToken cancellationToken = default) => _remote.ListAsync(request, cancellationToken);

    public IAsyncEnumerable<ExecutionStats> GetStatsAsync(ExecutionId executionId, CancellationToken cancellationToken = default) => _remote.GetStatsAsync(executionId, cancellationToken);

    public IAsyncEnumerable<ExecutionEvent> WatchAsync(WatchRequest? request = null, CancellationToken cancellationToken = default) => _remote.WatchAsync(request, cancellationToken);

    public Task RemoveAsync(ExecutionId executionId, TimeSpan timeout, CancellationToken cancellationToken = default) => _remote.RemoveAsync(executionId, timeout, cancellationToken);

    public Task CleanupAsync(CancellationToken cancellationToken = default) => _remote.CleanupAsync(cancellationToken);

    public Task<ExecutorFingerprint> FingerprintAsync(CancellationToken cancellationToken = default) => _remote.FingerprintAsync(cancellationToken);

    // Who waits for an execution learns from the daemon how it ended: the connection is closed after it.
    public async ValueTask DisposeAsync()
    {
        // What was asked for before is under way once this is answered.
        if (!_daemon.Ended.IsCompleted && !_disposed) await _remote.ListExecutorsAsync();
        _disposed = true;
        await _daemon.DisposeAsync();
        await _remote.DisposeAsync();
    }
}
