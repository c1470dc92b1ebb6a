using Microsoft.Extensions.Logging;

namespace Ergon.Runc;

internal static partial class RuncLog
{
    [LoggerMessage(1, LogLevel.Warning, "Cleaning up after execution {ExecutionId}, the start of which failed, failed as well")]
    public static partial void UndoFailed(this ILogger logger, ExecutionId executionId, Exception exception);

    [LoggerMessage(2, LogLevel.Warning, "Execution {ExecutionId}, which a former process started, cannot be taken over and is removed")]
    public static partial void NotAttached(this ILogger logger, ExecutionId executionId, Exception exception);
}
