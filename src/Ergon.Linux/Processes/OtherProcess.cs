using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;

namespace Ergon.Linux;

/// <summary>Processes that are not our children.</summary>
internal static class OtherProcess
{
    private const int KillSignal = 9;

    /// <summary>Sends a signal; nothing happens when there is no such process.</summary>
    public static void Signal(int id, int signal)
    {
        if (Libc.Kill(id, signal) < 0 && Marshal.GetLastPInvokeError() is not Errno.NoSuchProcess and var errno)
            throw new LinuxException($"send signal {signal} to process {id}", errno);
    }

    /// <summary>Kills a process by its number and completes when it is dead, whoever collects its status.</summary>
    public static Task KillAsync(int id, KernelEvents events, CancellationToken cancellationToken) =>
        WatchAsync(id, kill: true, events, cancellationToken);

    /// <summary>Completes when a process is dead, whoever collects its status.</summary>
    public static Task WaitForEndAsync(int id, KernelEvents events, CancellationToken cancellationToken) =>
        WatchAsync(id, kill: false, events, cancellationToken);

    private static async Task WatchAsync(int id, bool kill, KernelEvents events, CancellationToken cancellationToken)
    {
        var result = Libc.SystemCall(SystemCallNumbers.PidFdOpen, id, 0, 0, 0, 0);
        if (result < 0)
        {
            if (Marshal.GetLastPInvokeError() == Errno.NoSuchProcess) return;
            throw new LinuxException($"open a pidfd of process {id}", Marshal.GetLastPInvokeError());
        }

        using var pidFd = new SafeFileHandle(result, ownsHandle: true);
        var ended = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        using var registration = events.Add(pidFd, KernelEvents.Readable, (_, _) => ended.TrySetResult());
        if (kill && Libc.SystemCall(SystemCallNumbers.PidFdSendSignal, result, KillSignal, 0, 0, 0) < 0 &&
            Marshal.GetLastPInvokeError() is not Errno.NoSuchProcess and var errno)
            throw new LinuxException($"kill process {id}", errno);
        await ended.Task.WaitAsync(cancellationToken);
    }
}
