using Microsoft.Extensions.Logging;

namespace Ergon.Daemon;

/// <summary>What the daemon says in its log.</summary>
internal static partial class DaemonLog
{
    [LoggerMessage(1, LogLevel.Information, "Listening on {Address}")]
    public static partial void Listening(ILogger logger, string address);

    [LoggerMessage(2, LogLevel.Warning, "The executor '{Executor}' is not ready, and is tried again: {Reason}")]
    public static partial void RecoveryFailed(ILogger logger, string executor, string reason, Exception? error = null);

    [LoggerMessage(3, LogLevel.Information, "Stopping: executions are left to the next daemon: {Detach}")]
    public static partial void Stopping(ILogger logger, bool detach);

    [LoggerMessage(5, LogLevel.Warning, "New executions are refused: drained since {Since:u}, as {Caller} asked for")]
    public static partial void Draining(ILogger logger, DateTimeOffset since, string caller);

    [LoggerMessage(6, LogLevel.Information, "The settings were read again. Changed: {Changed}. Changed after a restart only: {NeedRestart}")]
    public static partial void Reloaded(ILogger logger, string changed, string needRestart);

    [LoggerMessage(7, LogLevel.Error, "The settings were read again and not taken, the former ones hold: {Problems}")]
    public static partial void ReloadFailed(ILogger logger, string problems);

    [LoggerMessage(4, LogLevel.Error, "The call {Method} failed in a way that it should not have")]
    public static partial void CallFailed(ILogger logger, string method, Exception error);
}
