using Microsoft.Extensions.Logging;

namespace Ergon.Engine;

internal static partial class EngineLog
{
    [LoggerMessage(1, LogLevel.Information, "Execution {ExecutionId} of job {JobId} started after {Elapsed}.")]
    public static partial void Started(ILogger logger, ExecutionId executionId, JobId jobId, TimeSpan elapsed);

    [LoggerMessage(2, LogLevel.Information, "Execution {ExecutionId} ended: {Reason}, exit code {ExitCode}.")]
    public static partial void Concluded(ILogger logger, ExecutionId executionId, TerminationReason reason, int exitCode);

    [LoggerMessage(3, LogLevel.Warning, "Execution {ExecutionId} could not be started: {Code}.")]
    public static partial void StartFailed(ILogger logger, ExecutionId executionId, ErrorCode code, Exception exception);

    [LoggerMessage(4, LogLevel.Warning, "Execution {ExecutionId}: the backend failed to {What}; the engine goes on.")]
    public static partial void DriverFailed(ILogger logger, ExecutionId executionId, string what, Exception exception);

    [LoggerMessage(5, LogLevel.Error, "Execution {ExecutionId}: its records could not be written; its result is kept in memory only.")]
    public static partial void StorageFailed(ILogger logger, ExecutionId executionId, Exception exception);

    [LoggerMessage(6, LogLevel.Warning, "Execution {ExecutionId}: its output did not end within {Timeout} after its job; the rest is lost.")]
    public static partial void OutputDidNotEnd(ILogger logger, ExecutionId executionId, TimeSpan timeout);

    [LoggerMessage(7, LogLevel.Warning, "What is left in {Directory} cannot be read and is not recovered.")]
    public static partial void RecordsDamaged(ILogger logger, string directory, Exception exception);

    [LoggerMessage(8, LogLevel.Information, "Execution {ExecutionId} was found again as {Status}.")]
    public static partial void Recovered(ILogger logger, ExecutionId executionId, ExecutionStatus status);

    [LoggerMessage(10, LogLevel.Error, "Execution {ExecutionId}: its supervision failed.")]
    public static partial void SupervisionFailed(ILogger logger, ExecutionId executionId, Exception exception);

    [LoggerMessage(9, LogLevel.Warning, "The retained log of execution {ExecutionId} could not be released.")]
    public static partial void ReleaseFailed(ILogger logger, ExecutionId executionId, Exception exception);

    [LoggerMessage(11, LogLevel.Warning, "The {Executor} driver could not be disposed.")]
    public static partial void DisposeFailed(ILogger logger, string executor, Exception exception);

    [LoggerMessage(13, LogLevel.Information, "Execution {ExecutionId} was cancelled before its job started.")]
    public static partial void StartCancelled(ILogger logger, ExecutionId executionId);

    [LoggerMessage(12, LogLevel.Debug, "Execution {ExecutionId} is left as it is found; it was recorded as {Status}.")]
    public static partial void FrozenAsRecorded(ILogger logger, ExecutionId executionId, ExecutionStatus status, Exception exception);
}
