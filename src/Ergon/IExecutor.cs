namespace Ergon;

/// <summary>
/// Runs executions on one backend. Every method is safe to call from any thread; a cancellation token cancels the call and never
/// the execution, except in <see cref="RunAsync"/>.
/// </summary>
/// <remarks>
/// A job that fails is a result. An <see cref="ExecutorException"/> means that the executor could not do its part; its
/// <see cref="ExecutorException.Code"/> says why.
/// </remarks>
public interface IExecutor : IAsyncDisposable
{
    /// <summary>The name of the backend, which is also the engine spec type that it accepts: <c>docker</c>, <c>process</c>, ...</summary>
    string Name { get; }

    /// <summary>The id that marks everything this executor creates in its backend.</summary>
    string ExecutorId { get; }

    /// <summary>
    /// Validates the whole request, prepares and starts it; completes once the job's process runs or has already ended. A start that
    /// fails before the process existed throws and leaves no trace: its id may be used again. Cancelling the token undoes it.
    /// </summary>
    /// <exception cref="ExecutorException">
    /// <see cref="ErrorCode.InvalidRequest"/> with every problem, <see cref="ErrorCode.NotSupported"/>,
    /// <see cref="ErrorCode.ExecutionAlreadyStarted"/>, <see cref="ErrorCode.ExecutionAlreadyConcluded"/>,
    /// <see cref="ErrorCode.ResourcesUnavailable"/>, <see cref="ErrorCode.ImageUnavailable"/>,
    /// <see cref="ErrorCode.BackendUnavailable"/>, <see cref="ErrorCode.BackendFailed"/>,
    /// <see cref="ErrorCode.PrepareTimedOut"/>, <see cref="ErrorCode.Cancelled"/>.
    /// </exception>
    Task StartAsync(ExecutionRequest request, CancellationToken cancellationToken = default);

    /// <summary>
    /// Starts and waits. Cancelling the token cancels the execution, gracefully and then hard, before
    /// <see cref="OperationCanceledException"/> is thrown.
    /// </summary>
    /// <exception cref="ExecutorException">As <see cref="StartAsync"/>.</exception>
    Task<ExecutionResult> RunAsync(ExecutionRequest request, CancellationToken cancellationToken = default);

    /// <summary>Completes with the result once the execution is terminal, at once if it already is. Any number may wait.</summary>
    /// <exception cref="ExecutorException">
    /// <see cref="ErrorCode.ExecutionNotFound"/>; <see cref="ErrorCode.ExecutionAlreadyConcluded"/> once the result is no longer
    /// retained; the error of the start when the execution was waited for before its process existed and never came to run.
    /// </exception>
    Task<ExecutionResult> WaitAsync(ExecutionId executionId, CancellationToken cancellationToken = default);

    /// <summary>
    /// Sends the stop signal, waits the grace period, kills; completes when the execution is terminal. Cancelling an execution that is
    /// still being prepared undoes its start.
    /// </summary>
    /// <exception cref="ExecutorException">
    /// <see cref="ErrorCode.ExecutionNotFound"/>, <see cref="ErrorCode.ExecutionAlreadyConcluded"/>.
    /// </exception>
    Task CancelAsync(ExecutionId executionId, CancellationToken cancellationToken = default);

    /// <summary>Streams the output of an execution in the order in which it was read.</summary>
    /// <exception cref="ExecutorException">
    /// <see cref="ErrorCode.ExecutionNotFound"/>; <see cref="ErrorCode.ExecutionAlreadyConcluded"/> once the log is no longer retained.
    /// </exception>
    IAsyncEnumerable<LogEntry> GetLogStreamAsync(LogStreamRequest request, CancellationToken cancellationToken = default);

    /// <summary>Freezes every process of the execution. The run timeout stands still while it is paused.</summary>
    /// <exception cref="ExecutorException">
    /// <see cref="ErrorCode.ExecutionNotFound"/>, <see cref="ErrorCode.ExecutionAlreadyConcluded"/>,
    /// <see cref="ErrorCode.InvalidState"/> unless it is running, <see cref="ErrorCode.NotSupported"/>.
    /// </exception>
    Task PauseAsync(ExecutionId executionId, CancellationToken cancellationToken = default);

    /// <summary>Thaws a paused execution.</summary>
    /// <exception cref="ExecutorException">As <see cref="PauseAsync"/>; <see cref="ErrorCode.InvalidState"/> unless it is paused.</exception>
    Task ResumeAsync(ExecutionId executionId, CancellationToken cancellationToken = default);

    /// <summary>Delivers a signal to the job's main process.</summary>
    /// <exception cref="ExecutorException">
    /// <see cref="ErrorCode.ExecutionNotFound"/>, <see cref="ErrorCode.ExecutionAlreadyConcluded"/>,
    /// <see cref="ErrorCode.InvalidState"/> while it is being prepared, <see cref="ErrorCode.InvalidRequest"/> for a number outside 1 to 64.
    /// </exception>
    Task SignalAsync(ExecutionId executionId, Signal signal, CancellationToken cancellationToken = default);

    /// <summary>Runs another command inside a running execution, with its own input, output and exit code. Dispose the session: that ends it.</summary>
    /// <exception cref="ExecutorException">
    /// <see cref="ErrorCode.ExecutionNotFound"/>, <see cref="ErrorCode.ExecutionAlreadyConcluded"/>,
    /// <see cref="ErrorCode.InvalidState"/> unless it is running, <see cref="ErrorCode.InvalidRequest"/>, <see cref="ErrorCode.NotSupported"/>.
    /// </exception>
    Task<IExecSession> ExecAsync(ExecutionId executionId, ExecRequest request, CancellationToken cancellationToken = default);

    /// <summary>Returns an immutable snapshot of the execution.</summary>
    /// <exception cref="ExecutorException"><see cref="ErrorCode.ExecutionNotFound"/>.</exception>
    Task<ExecutionInfo> GetStatusAsync(ExecutionId executionId, CancellationToken cancellationToken = default);

    /// <summary>Completes with the snapshot once the execution has the status, at once if it already has.</summary>
    /// <exception cref="ExecutorException">
    /// <see cref="ErrorCode.ExecutionNotFound"/>; <see cref="ErrorCode.WaitTimedOut"/> when the time is over;
    /// <see cref="ErrorCode.InvalidState"/> when the execution ended with another status.
    /// </exception>
    Task<ExecutionInfo> WaitForStatusAsync(
        ExecutionId executionId, ExecutionStatus status, TimeSpan timeout, CancellationToken cancellationToken = default);

    /// <summary>Lists the known executions, oldest first.</summary>
    Task<IReadOnlyList<ExecutionInfo>> ListAsync(ListRequest? request = null, CancellationToken cancellationToken = default);

    /// <summary>Streams resource use until the execution ends; the first sample comes at once.</summary>
    /// <exception cref="ExecutorException">
    /// <see cref="ErrorCode.ExecutionNotFound"/>, <see cref="ErrorCode.ExecutionAlreadyConcluded"/>,
    /// <see cref="ErrorCode.InvalidState"/> while it is being prepared, <see cref="ErrorCode.NotSupported"/>.
    /// </exception>
    IAsyncEnumerable<ExecutionStats> GetStatsAsync(ExecutionId executionId, CancellationToken cancellationToken = default);

    /// <summary>
    /// Streams events, in order, from the moment of the call. A watcher that falls more than 8192 events behind ends with
    /// <see cref="ErrorCode.WatcherTooSlow"/>: it never delays an execution.
    /// </summary>
    IAsyncEnumerable<ExecutionEvent> WatchAsync(WatchRequest? request = null, CancellationToken cancellationToken = default);

    /// <summary>
    /// Forgets one execution, with everything it left on disk and in the backend; one that still runs is killed first. The results
    /// directory is the caller's and stays.
    /// </summary>
    /// <param name="executionId">The execution.</param>
    /// <param name="timeout">How long the kill and the removal may take.</param>
    /// <param name="cancellationToken">Cancels the call.</param>
    /// <exception cref="ExecutorException">
    /// <see cref="ErrorCode.ExecutionNotFound"/>; <see cref="ErrorCode.WaitTimedOut"/> when the time is over.
    /// </exception>
    Task RemoveAsync(ExecutionId executionId, TimeSpan timeout, CancellationToken cancellationToken = default);

    /// <summary>Removes everything that belongs to this executor's id, known or not, and nothing that does not.</summary>
    /// <exception cref="ExecutorException"><see cref="ErrorCode.BackendUnavailable"/>.</exception>
    Task CleanupAsync(CancellationToken cancellationToken = default);

    /// <summary>Tells whether the backend is here and healthy, its version, what it can do and, if something is missing, what to do.</summary>
    Task<ExecutorFingerprint> FingerprintAsync(CancellationToken cancellationToken = default);
}
