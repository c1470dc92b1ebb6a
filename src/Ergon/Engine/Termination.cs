using Ergon.Drivers;

namespace Ergon.Engine;

/// <summary>Decides, from the evidence alone, how an execution ended, and says it in words.</summary>
internal static class Termination
{
    public static TerminationReason Decide(DriverExit exit, StopCause? stoppedFor) => (exit, stoppedFor) switch
    {
        (_, StopCause.TimedOut) => TerminationReason.TimedOut,
        (_, StopCause.Cancelled) => TerminationReason.Cancelled,
        ({ Lost: true }, _) => TerminationReason.BackendLost,
        // The kernel may have killed a child that the job got over: then the job ended by itself.
        ({ OutOfMemory: true }, _) when exit.Signal is not null || exit.ExitCode is not 0 => TerminationReason.OutOfMemory,
        ({ KilledExternally: true }, _) => TerminationReason.KilledExternally,
        ({ Signal: not null }, _) => TerminationReason.Signaled,
        _ => TerminationReason.Exited,
    };

    /// <summary>How an execution ends that is ended for a cause.</summary>
    public static TerminationReason ReasonOf(StopCause cause) => cause == StopCause.TimedOut ? TerminationReason.TimedOut : TerminationReason.Cancelled;

    /// <summary>The cause for which an execution was being ended, from the record of it.</summary>
    public static StopCause? CauseOf(TerminationReason? stopping) => stopping switch
    {
        null => null,
        TerminationReason.TimedOut => StopCause.TimedOut,
        _ => StopCause.Cancelled,
    };

    public static int ExitCodeOf(DriverExit exit) => exit.ExitCode ?? (exit.Signal is { } signal ? 128 + signal.Number : -1);

    public static string? Describe(TerminationReason reason, DriverExit exit, ExecutionRequest request)
    {
        var text = reason switch
        {
            TerminationReason.TimedOut => $"The run timeout of {Duration.Format(request.Timeouts.Run ?? TimeSpan.Zero)} was over.",
            TerminationReason.Cancelled => "The execution was cancelled.",
            TerminationReason.OutOfMemory when request.Resources.Memory is { } limit =>
                $"The kernel killed the job because it used more than its memory limit of {ByteSize.Format(limit)}. Ask for more (resources.memory) or use less.",
            TerminationReason.OutOfMemory => "The kernel killed the job because memory ran out.",
            TerminationReason.KilledExternally => "Somebody killed the job past the executor.",
            TerminationReason.BackendLost => "The backend lost the execution; how the job ended is not known.",
            TerminationReason.Signaled => $"{exit.Signal} ended the job.",
            _ => null,
        };
        return (text, exit.Message) switch
        {
            (null, _) => exit.Message,
            (_, null) => text,
            _ => $"{text} {exit.Message}",
        };
    }
}
