using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;

namespace Ergon.Linux;

/// <summary>How a process ended.</summary>
/// <param name="ExitCode">Its exit code, when it exited.</param>
/// <param name="Signal">The signal that ended it, when one did.</param>
internal readonly record struct ChildExit(int? ExitCode, int? Signal)
{
    /// <summary>Somebody else took the status: SIGCHLD is ignored, or the parent that should not have collected the process was killed.</summary>
    public bool IsUnknown => ExitCode is null && Signal is null;
}

/// <summary>
/// A process the end of which is told, held by a pidfd: a signal can never reach another process that has got its number. It is a child of
/// this process, or of one that never collects it, so that its status can be read by anybody who may, any number of times.
/// </summary>
internal sealed unsafe class ChildProcess : IDisposable
{
    private const int ByPid = 1;
    private const int ChildSignal = 17;
    private const int Exited = 4;
    private const int NoHang = 1;
    private const int StatusExited = 1;
    private const int SignalBits = 0x7f;
    private const int CodeShift = 8;

    private readonly SafeFileHandle _pidFd;
    private readonly TaskCompletionSource<ChildExit> _exit = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly KernelEvents.Registration _registration;
    private readonly int? _parentId;

    private ChildProcess(int id, int? parentId, SafeFileHandle pidFd, KernelEvents events)
    {
        (Id, _parentId, _pidFd) = (id, parentId, pidFd);
        _registration = events.Add(pidFd, KernelEvents.Readable, (registration, _) => Reap(registration));
    }

    /// <summary>The process id, as this process sees it. It stays the child's own until <see cref="Exit"/> completes.</summary>
    public int Id { get; }

    /// <summary>Completes when the process has ended.</summary>
    public Task<ChildExit> Exit => _exit.Task;

    /// <summary>
    /// Makes the kernel keep the exit status of children. It does not where whoever started this program ignores SIGCHLD, which programs
    /// inherit.
    /// </summary>
    public static void KeepExitStatus()
    {
        var ignored = (CgroupText.Read("/proc/self/status") ?? "").Split('\n').FirstOrDefault(line => line.StartsWith("SigIgn:", StringComparison.Ordinal));
        if (ignored is not null && ulong.TryParse(ignored.AsSpan("SigIgn:".Length).Trim(), System.Globalization.NumberStyles.HexNumber, null, out var set) &&
            (set & (1UL << (ChildSignal - 1))) != 0)
            _ = Libc.SetSignalHandler(ChildSignal, 0);
    }

    /// <summary>Takes charge of a child that nobody else waits for.</summary>
    public static ChildProcess Adopt(int id, KernelEvents events) => Open(id, null, events);

    /// <summary>Watches a child of another process, one that never collects it.</summary>
    /// <exception cref="LinuxException">It has no such child.</exception>
    public static ChildProcess Watch(int id, int parentId, KernelEvents events)
    {
        var process = Open(id, parentId, events);
        if (ProcessTable.Find(id) is { } entry && entry.ParentId == parentId) return process;
        process.Dispose();
        throw new LinuxException($"watch process {id}", Errno.NoSuchProcess);
    }

    private static ChildProcess Open(int id, int? parentId, KernelEvents events)
    {
        var descriptor = Libc.Check(Libc.SystemCall(SystemCallNumbers.PidFdOpen, id, 0, 0, 0, 0), $"open a pidfd of process {id}");
        var pidFd = new SafeFileHandle((nint)descriptor, ownsHandle: true);
        try
        {
            return new ChildProcess(id, parentId, pidFd, events);
        }
        catch
        {
            pidFd.Dispose();
            throw;
        }
    }

    /// <summary>Sends a signal; nothing happens when the process has ended.</summary>
    public void Signal(int signal)
    {
        if (_exit.Task.IsCompleted) return;
        var held = false;
        try
        {
            _pidFd.DangerousAddRef(ref held);
            var result = Libc.SystemCall(SystemCallNumbers.PidFdSendSignal, Descriptors.Number(_pidFd), signal, 0, 0, 0);
            if (result < 0 && Marshal.GetLastPInvokeError() is not Errno.NoSuchProcess and var errno)
                throw new LinuxException($"send signal {signal} to process {Id}", errno);
        }
        catch (ObjectDisposedException)
        {
            // It has ended and was let go of meanwhile.
        }
        finally
        {
            if (held) _pidFd.DangerousRelease();
        }
    }

    public void Kill() => Signal(9);

    private void Reap(KernelEvents.Registration registration)
    {
        if (_parentId is { } parent)
        {
            registration.Dispose();
            var status = ProcessTable.Find(Id) is { State: 'Z' } entry && entry.ParentId == parent ? entry.WaitStatus : null;
            _exit.TrySetResult(status is not { } value ? default : (value & SignalBits) == 0 ? new ChildExit(value >> CodeShift, null) : new ChildExit(null, value & SignalBits));
            return;
        }

        var info = stackalloc int[32];
        int result;
        do result = Libc.WaitId(ByPid, (uint)Id, info, Exited | NoHang);
        while (result < 0 && Marshal.GetLastPInvokeError() == Errno.Interrupted);
        registration.Dispose();
        // siginfo: signal, errno, code, padding, pid, uid, status.
        if (result < 0) _exit.TrySetResult(default);
        else if (info[2] == StatusExited) _exit.TrySetResult(new ChildExit(info[6], null));
        else _exit.TrySetResult(new ChildExit(null, info[6]));
    }

    /// <summary>Lets go of the process. The caller has seen <see cref="Exit"/> complete.</summary>
    public void Dispose()
    {
        _registration.Dispose();
        _pidFd.Dispose();
    }
}
