using System.Diagnostics;

namespace Ergon.Firecracker.StandIn.Machine;

/// <summary>The process of QEMU, which ends with this one however this one ends.</summary>
internal static class QemuProcess
{
    private const string Program = "qemu-system-x86_64";

    private const int SignalBase = 128;

    /// <summary>Starts it and returns its end: an exit code, or 128 and the number of a signal.</summary>
    public static Task<int> StartAsync(QemuCommand command, IReadOnlyList<string> arguments, out Task started)
    {
        var end = new TaskCompletionSource<int>(TaskCreationOptions.RunContinuationsAsynchronously);
        var begin = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        // The kernel takes the end of the thread that made a process for the end of its parent: so that thread waits for it.
        new Thread(() => Run(command, arguments, begin, end)) { IsBackground = true, Name = "qemu" }.Start();
        started = begin.Task;
        return end.Task;
    }

    private static void Run(QemuCommand command, IReadOnlyList<string> arguments, TaskCompletionSource begin, TaskCompletionSource<int> end)
    {
        try
        {
            using var process = Start(command, arguments);
            begin.SetResult();
            process.WaitForExit();
            end.SetResult(process.ExitCode);
        }
        catch (Exception e)
        {
            begin.TrySetException(e);
            end.TrySetException(e);
        }
    }

    private static Process Start(QemuCommand command, IReadOnlyList<string> arguments)
    {
        using (command) return Process.Start(new ProcessStartInfo("setpriv", ["--pdeathsig", "KILL", Program, .. arguments]) { UseShellExecute = false })!;
    }

    /// <summary>The signal that ended it; 0: none did.</summary>
    public static int SignalOf(int code) => code > SignalBase ? code - SignalBase : 0;
}
