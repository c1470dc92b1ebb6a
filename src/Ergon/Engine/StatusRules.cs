namespace Ergon.Engine;

/// <summary>The state machine: <c>pending -> running &lt;-> paused -> success | failed</c>.</summary>
internal static class StatusRules
{
    public static bool IsTerminal(ExecutionStatus status) => status is ExecutionStatus.Success or ExecutionStatus.Failed;

    public static bool CanMove(ExecutionStatus from, ExecutionStatus to) => from switch
    {
        ExecutionStatus.Pending => to == ExecutionStatus.Running,
        ExecutionStatus.Running => to == ExecutionStatus.Paused || IsTerminal(to),
        ExecutionStatus.Paused => to == ExecutionStatus.Running || IsTerminal(to),
        _ => false,
    };
}
