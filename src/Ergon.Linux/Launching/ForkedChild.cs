using System.Runtime.InteropServices;

namespace Ergon.Linux;

/// <summary>Walks through the steps of a <see cref="LaunchScript"/> as a forked copy of this process.</summary>
/// <remarks>
/// Only the forking thread exists in the copy, so nothing of the runtime may be needed: no allocation, no transition that could wait for a
/// collection, no call that is bound lazily. Compiled ahead of time and linked statically, these methods are such code.
/// </remarks>
internal static unsafe partial class ForkedChild
{
    private const nint EndOfDescriptors = -1;
    private const int NotFound = 127;

    [LibraryImport("libc", EntryPoint = "syscall")]
    [SuppressGCTransition]
    public static partial nint SystemCall(nint number, nint a0, nint a1, nint a2, nint a3, nint a4);

    [LibraryImport("libc", EntryPoint = "__errno_location")]
    [SuppressGCTransition]
    public static partial int* ErrnoLocation();

    /// <summary>Never returns. What failed is written to the descriptor as two numbers: the step and the error.</summary>
    public static void Run(LaunchState* state, int report)
    {
        for (var i = 0; i < state->Count; i++)
        {
            var step = state->Steps + i;
            var error = 0;
            if (step->Kind == LaunchStepKind.Execute)
            {
                error = Execute((nint*)step->Arguments[0], (nint)step->Arguments[1], (nint)step->Arguments[2]);
            }
            else if (step->Kind == LaunchStepKind.Stay)
            {
                Stay(report);
            }
            else
            {
                error = Call(state, step);
            }

            if (error == 0 || error == step->Tolerated || error == step->AlsoTolerated) continue;
            var failure = stackalloc int[2];
            (failure[0], failure[1]) = (i, error);
            _ = SystemCall(SystemCallNumbers.Write, report, (nint)failure, 2 * sizeof(int), 0, 0);
            break;
        }

        while (true) _ = SystemCall(SystemCallNumbers.Exit, NotFound, 0, 0, 0, 0);
    }

    private static int Call(LaunchState* state, LaunchStep* step)
    {
        var a = stackalloc nint[5];
        for (var i = 0; i < 5; i++) a[i] = (nint)(step->ArgumentSlots[i] < 0 ? step->Arguments[i] : state->Slots[step->ArgumentSlots[i]]);
        while (true)
        {
            var result = SystemCall(step->Number, a[0], a[1], a[2], a[3], a[4]);
            if (result == -1 && *ErrnoLocation() == Errno.Interrupted) continue;
            if (result == -1) return *ErrnoLocation();
            if (step->ResultSlot >= 0) state->Slots[step->ResultSlot] = result;
            return 0;
        }
    }

    // The first candidate that can be executed is; "permission denied" is remembered over "not found", as execvp does.
    private static int Execute(nint* candidates, nint arguments, nint environment)
    {
        var error = Errno.NoEntry;
        for (var candidate = candidates; *candidate != 0; candidate++)
        {
            _ = SystemCall(SystemCallNumbers.Execute, *candidate, arguments, environment, 0, 0);
            var failure = *ErrnoLocation();
            if (failure is Errno.NoEntry or Errno.NotADirectory) continue;
            error = failure;
            if (failure != Errno.AccessDenied) break;
        }

        return error;
    }

    // Every signal is blocked, so that only SIGKILL ends it.
    private static void Stay(int report)
    {
        var ready = stackalloc int[2];
        (ready[0], ready[1]) = (-1, 0);
        _ = SystemCall(SystemCallNumbers.Write, report, (nint)ready, 2 * sizeof(int), 0, 0);
        _ = SystemCall(SystemCallNumbers.CloseRange, 0, EndOfDescriptors, 0, 0, 0);
        ulong all = ulong.MaxValue;
        while (true) _ = SystemCall(SystemCallNumbers.SignalSuspend, (nint)(&all), sizeof(ulong), 0, 0, 0);
    }
}
