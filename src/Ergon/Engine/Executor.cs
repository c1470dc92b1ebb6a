using System.Diagnostics.Metrics;
using Ergon.Drivers;
using Microsoft.Extensions.Logging;

namespace Ergon;

/// <summary>The one implementation of <see cref="IExecutor"/>: owns the life-cycle; the driver does what the backend must do.</summary>
public sealed partial class Executor : IExecutor
{
    private readonly IExecutionDriver _driver;

    /// <summary>Creates an executor on a driver, which it owns and disposes.</summary>
    public Executor(
        IExecutionDriver driver,
        ExecutorOptions? options = null,
        ILoggerFactory? loggerFactory = null,
        IMeterFactory? meterFactory = null,
        TimeProvider? timeProvider = null)
    {
        _driver = driver;
        _ = (options, loggerFactory, meterFactory, timeProvider);
    }

    /// <summary>Finds again what a former process with the same executor id left: see the contract.</summary>
    public Task RecoverAsync(CancellationToken cancellationToken = default) => throw new NotSupportedException(_driver.Name);
#pragma warning disable CS1591
    public string Name => _driver.Name;
    public string ExecutorId => "";
    public Task StartAsync(ExecutionRequest request, CancellationToken cancellationToken = default) => throw new NotSupportedException();
    public Task<ExecutionResult> RunAsync(ExecutionRequest request, CancellationToken cancellationToken = default) => throw new NotSupportedException();
    public Task<ExecutionResult> WaitAsync(ExecutionId executionId, CancellationToken cancellationToken = default) => throw new NotSupportedException();
    public Task CancelAsync(ExecutionId executionId, CancellationToken cancellationToken = default) => throw new NotSupportedException();
    public IAsyncEnumerable<LogEntry> GetLogStreamAsync(LogStreamRequest request, CancellationToken cancellationToken = default) => throw new NotSupportedException();
    public Task PauseAsync(ExecutionId executionId, CancellationToken cancellationToken = default) => throw new NotSupportedException();
    public Task ResumeAsync(ExecutionId executionId, CancellationToken cancellationToken = default) => throw new NotSupportedException();
    public Task SignalAsync(ExecutionId executionId, Signal signal, CancellationToken cancellationToken = default) => throw new NotSupportedException();
    public Task<IExecSession> ExecAsync(ExecutionId executionId, ExecRequest request, CancellationToken cancellationToken = default) => throw new NotSupportedException();
    public Task<ExecutionInfo> GetStatusAsync(ExecutionId executionId, CancellationToken cancellationToken = default) => throw new NotSupportedException();
    public Task<ExecutionInfo> WaitForStatusAsync(ExecutionId executionId, ExecutionStatus status, TimeSpan timeout, CancellationToken cancellationToken = default) => throw new NotSupportedException();
    public Task<IReadOnlyList<ExecutionInfo>> ListAsync(ListRequest? request = null, CancellationToken cancellationToken = default) => throw new NotSupportedException();
    public IAsyncEnumerable<ExecutionStats> GetStatsAsync(ExecutionId executionId, CancellationToken cancellationToken = default) => throw new NotSupportedException();
    public IAsyncEnumerable<ExecutionEvent> WatchAsync(WatchRequest? request = null, CancellationToken cancellationToken = default) => throw new NotSupportedException();
    public Task RemoveAsync(ExecutionId executionId, TimeSpan timeout, CancellationToken cancellationToken = default) => throw new NotSupportedException();
    public Task CleanupAsync(CancellationToken cancellationToken = default) => throw new NotSupportedException();
    public Task<ExecutorFingerprint> FingerprintAsync(CancellationToken cancellationToken = default) => _driver.FingerprintAsync(cancellationToken).AsTask();
    public ValueTask DisposeAsync() => _driver.DisposeAsync();
}
