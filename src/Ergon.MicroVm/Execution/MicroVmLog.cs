using Microsoft.Extensions.Logging;

namespace Ergon.MicroVm.Execution;

internal static partial class MicroVmLog
{
    [LoggerMessage(1, LogLevel.Warning, "Cleaning up after execution {ExecutionId}, the preparation of which failed, failed as well")]
    public static partial void UndoFailed(this ILogger logger, ExecutionId executionId, Exception exception);

    [LoggerMessage(2, LogLevel.Warning, "The state of a machine that has booted could not be kept; machines go on booting")]
    public static partial void SnapshotFailed(this ILogger logger, Exception exception);

    [LoggerMessage(3, LogLevel.Warning, "A machine could not begin with the state that was kept, and boots instead. Its VMM said: {Errors}")]
    public static partial void RestoreFailed(this ILogger logger, string errors, Exception exception);

    [LoggerMessage(4, LogLevel.Warning, "The machine that waited for a job could not be given the disks of execution {ExecutionId}, which gets one of its own")]
    public static partial void WarmMachineFailed(this ILogger logger, ExecutionId executionId, Exception exception);

    [LoggerMessage(5, LogLevel.Warning, "A guest that was started did not become well, and another one is started instead")]
    public static partial void NotSettled(this ILogger logger, Exception exception);
}
