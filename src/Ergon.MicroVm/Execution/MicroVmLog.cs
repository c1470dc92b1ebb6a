using Microsoft.Extensions.Logging;

namespace Ergon.MicroVm.Execution;

internal static partial class MicroVmLog
{
    [LoggerMessage(1, LogLevel.Warning, "Cleaning up after execution {ExecutionId}, the preparation of which failed, failed as well")]
    public static partial void UndoFailed(this ILogger logger, ExecutionId executionId, Exception exception);
}
