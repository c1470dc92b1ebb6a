using System.Runtime.CompilerServices;

namespace Ergon.Linux;

internal enum LaunchStepKind
{
    SystemCall,
    Spawn,
    WaitForChild,
    Divide,

    // In a forked process only; each is the last step.
    Execute,
    Stay,
}

/// <summary>One step, as it lies in native memory.</summary>
internal unsafe struct LaunchStep
{
    public LaunchStepKind Kind;
    public int Number;
    public int ResultSlot;
    public int Tolerated;
    public int AlsoTolerated;
    public fixed long Arguments[5];
    public fixed sbyte ArgumentSlots[5];
}

/// <summary>What the launching thread reads and writes.</summary>
internal unsafe struct LaunchState
{
    public const int MaxSlots = 16;

    public LaunchStep* Steps;
    public int Count;
    public int DoneDescriptor;
    public int ThreadId;
    public int FailedStep;
    public int FinalStep;
    public int Errno;
    public long One;
    public nint SystemCall;
    public nint PosixSpawn;
    public nint ErrnoLocation;
    public nint Clone;
    public LaunchChildState Child;
    public nint ChildCode;
    public nint ChildStack;
    public ulong AllSignals;
    public ulong FormerSignals;
    public fixed long Slots[MaxSlots];
}

/// <summary>Executes the steps of a <see cref="LaunchScript"/>.</summary>
internal static unsafe class LaunchThread
{
    private const int WaitForPid = 1;
    private const int WaitForExit = 4;
    private const int AnyChild = 0x40000000;
    private const int Executable = 1;
    private const int WorkingDirectory = -100;
    private const int StatusExited = 1;
    private const int SetSignalMask = 2;

    // The child shares the memory, and this thread stands still until it has ended. It sends no signal then, so that nobody but this
    // thread can collect it.
    private const int ShareMemoryAndStandStill = 0x100 | 0x4000;

    private static readonly nint SystemCall = Libc.AddressOf("syscall");
    private static readonly nint PosixSpawn = Libc.AddressOf("posix_spawn");
    private static readonly nint ErrnoLocation = Libc.AddressOf("__errno_location");
    private static readonly nint Clone = Libc.AddressOf("clone");

    /// <summary>Finds the functions that the thread will call, while that may still be done.</summary>
    public static void Resolve(LaunchState* state)
    {
        state->SystemCall = SystemCall;
        state->PosixSpawn = PosixSpawn;
        state->ErrnoLocation = ErrnoLocation;
        state->Clone = Clone;
        state->Child = new LaunchChildState
        {
            Steps = state->Steps,
            End = state->FinalStep,
            FailedStep = &state->FailedStep,
            Errno = &state->Errno,
            Slots = state->Slots,
            PosixSpawn = PosixSpawn,
            WaitId = SystemCallNumbers.WaitId,
            FileAccess = SystemCallNumbers.FileAccessAt,
        };
        state->ChildCode = LaunchChild.Code;
        state->AllSignals = ulong.MaxValue;
    }

    // Optimized at once: code of the first tier counts its calls, and reaching the count would start a compiler thread from here.
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void Execute(nint address)
    {
        var state = (LaunchState*)address;
        var call = (delegate* unmanaged<nint, nint, nint, nint, nint, nint, nint>)state->SystemCall;
        var number = SystemCallNumbers.Write;
        Volatile.Write(ref state->ThreadId, (int)call(SystemCallNumbers.GetThreadId, 0, 0, 0, 0, 0));
        Walk(state, 0, state->FinalStep);
        Walk(state, state->FinalStep, state->Count);

        // From here on the script may be freed at any time.
        call(number, state->DoneDescriptor, (nint)(&state->One), sizeof(long), 0, 0);
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Walk(LaunchState* state, int first, int end)
    {
        var call = (delegate* unmanaged<nint, nint, nint, nint, nint, nint, nint>)state->SystemCall;
        var spawn = (delegate* unmanaged<nint, nint, nint, nint, nint, nint, nint>)state->PosixSpawn;
        var clone = (delegate* unmanaged<nint, nint, nint, nint, int>)state->Clone;
        var errno = (int*)((delegate* unmanaged<nint>)state->ErrnoLocation)();
        var waitId = SystemCallNumbers.WaitId;
        var fileAccess = SystemCallNumbers.FileAccessAt;
        var signalMask = SystemCallNumbers.SignalMask;
        for (var i = first; i < end; i++)
        {
            var step = state->Steps + i;
            var a0 = (nint)(step->ArgumentSlots[0] < 0 ? step->Arguments[0] : state->Slots[step->ArgumentSlots[0]]);
            var a1 = (nint)(step->ArgumentSlots[1] < 0 ? step->Arguments[1] : state->Slots[step->ArgumentSlots[1]]);
            var a2 = (nint)(step->ArgumentSlots[2] < 0 ? step->Arguments[2] : state->Slots[step->ArgumentSlots[2]]);
            var a3 = (nint)(step->ArgumentSlots[3] < 0 ? step->Arguments[3] : state->Slots[step->ArgumentSlots[3]]);
            var a4 = (nint)(step->ArgumentSlots[4] < 0 ? step->Arguments[4] : state->Slots[step->ArgumentSlots[4]]);
            nint result = 0;
            var error = 0;
            if (step->Kind == LaunchStepKind.SystemCall)
            {
                do
                {
                    result = call(step->Number, a0, a1, a2, a3, a4);
                    error = result == -1 ? *errno : 0;
                }
                while (error == Errno.Interrupted);
            }
            else if (step->Kind == LaunchStepKind.Spawn)
            {
                // a0: candidates, a1: file actions, a2: attributes, a3: argv, a4: environment. The first candidate that can be
                // executed is; "permission denied" is remembered over "not found", as execvp does.
                error = Errno.NoEntry;
                var child = 0;
                for (var candidate = (nint*)a0; *candidate != 0; candidate++)
                {
                    var failure = call(fileAccess, WorkingDirectory, *candidate, Executable, 0, 0) == -1 ? *errno : 0;
                    if (failure == 0) failure = (int)spawn((nint)(&child), *candidate, a1, a2, a3, a4);
                    if (failure == 0)
                    {
                        error = 0;
                        result = child;
                        break;
                    }

                    if (failure is Errno.NoEntry or Errno.NotADirectory) continue;
                    error = failure;
                    if (failure != Errno.AccessDenied) break;
                }
            }
            else if (step->Kind == LaunchStepKind.Divide)
            {
                // a0: memory for the child's siginfo. No signal may run a handler of this program in the child.
                state->Child.First = i + 1;
                call(signalMask, SetSignalMask, (nint)(&state->AllSignals), (nint)(&state->FormerSignals), sizeof(ulong), 0);
                result = clone(state->ChildCode, state->ChildStack, ShareMemoryAndStandStill, (nint)(&state->Child));
                error = result == -1 ? *errno : 0;
                call(signalMask, SetSignalMask, (nint)(&state->FormerSignals), 0, sizeof(ulong), 0);
                if (error == 0)
                {
                    do error = call(waitId, WaitForPid, result, a0, WaitForExit | AnyChild, 0) == -1 ? *errno : 0;
                    while (error == Errno.Interrupted);
                    if (error == 0 && ((int*)a0)[2] != StatusExited) error = Errno.InputOutput;
                    if (error == 0) break; // the child has gone through the rest
                }
            }
            else
            {
                // a0: the child, a1: memory for its siginfo.
                do error = call(waitId, WaitForPid, a0, a1, WaitForExit, 0) == -1 ? *errno : 0;
                while (error == Errno.Interrupted);
                if (error == 0 && (((int*)a1)[2] != StatusExited || ((int*)a1)[6] != 0)) error = Errno.InputOutput;
            }

            if (error != 0 && error != step->Tolerated && error != step->AlsoTolerated && i < state->FinalStep)
            {
                state->FailedStep = i;
                state->Errno = error;
                break;
            }

            if (error == 0 && step->ResultSlot >= 0) state->Slots[step->ResultSlot] = result;
        }
    }
}
