namespace Ergon.Cli;

/// <summary>The exit codes of <c>ergon</c> that are not the job's; those of timeout(1) and of shells.</summary>
internal static class ExitCodes
{
    public const int TimedOut = 124;
    public const int ErgonFailed = 125;
    public const int BrokenPipe = 128 + 13;

    /// <summary>What <c>ergon run</c> ends with.</summary>
    /// <param name="result">How the job ended.</param>
    /// <param name="received">The signal that made ergon cancel it, if one did.</param>
    public static int Of(ExecutionResult result, Signal? received) => result.Reason switch
    {
        TerminationReason.TimedOut => TimedOut,
        TerminationReason.Cancelled when received is { } signal => 128 + signal.Number,
        TerminationReason.BackendLost => ErgonFailed,
        _ => result.ExitCode is >= 0 and <= 255 ? result.ExitCode : ErgonFailed,
    };
}
