using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;

namespace Ergon.Linux;

/// <summary>A process that a script became, or why it could not.</summary>
/// <param name="Id">Its process id.</param>
/// <param name="Outcome">How the script ended. After a failure the process is about to exit and must still be collected.</param>
internal readonly record struct ForkedProcess(int Id, LaunchOutcome Outcome);

/// <summary>
/// The other way to run a script: a forked process executes it and becomes what its last step says. Only for a program that is compiled
/// ahead of time and forks from the one thread that runs managed code; then it needs no thread and no gate.
/// </summary>
internal sealed unsafe partial class LaunchScript
{
    private const int ChildSignal = 17;
    private const int LastSignal = 64;
    private const int KillSignal = 9;
    private const int StopSignal = 19;
    private const int SetMask = 2;
    private const int CloseOnExecOnly = 4;

    /// <summary>Marks every descriptor from 3 on as closed on exec.</summary>
    public void CloseDescriptorsOnExec() => Call(
        "close inherited file descriptors", SystemCallNumbers.CloseRange, 3, -1, CloseOnExecOnly, tolerated: Errno.NoSystemCall, alsoTolerated: Errno.Invalid);

    /// <summary>Leads a new session.</summary>
    public void LeadSession() => Call("lead a session", SystemCallNumbers.SetSession);

    /// <summary>Makes descriptors 0, 1, 2, ... copies of these.</summary>
    public void SetStreams(IReadOnlyList<int> descriptors)
    {
        for (var i = 0; i < descriptors.Count; i++) Call($"set descriptor {i}", SystemCallNumbers.DuplicateTo, descriptors[i], i, 0);
    }

    /// <summary>Makes a terminal descriptors 0, 1 and 2 and the controlling terminal of the session.</summary>
    public void SetTerminal(string path)
    {
        var terminal = NewSlot();
        Call($"open {path}", SystemCallNumbers.OpenAt, WorkingDirectory, Arena.Text(path), Libc.ReadWrite | Libc.CloseOnExec, result: terminal);
        for (var i = 0; i < 3; i++) Call($"set descriptor {i}", SystemCallNumbers.DuplicateTo, terminal, i, 0);
    }

    /// <summary>Writes a text into a file as the process that is to be.</summary>
    public void WriteFile(string path, string text)
    {
        var file = NewSlot();
        var bytes = System.Text.Encoding.UTF8.GetBytes(text);
        Call($"open {path}", SystemCallNumbers.OpenAt, WorkingDirectory, Arena.Text(path), Libc.WriteOnly | Libc.CloseOnExec, result: file);
        Call($"write {path}", SystemCallNumbers.Write, file, Arena.Bytes(bytes), bytes.Length);
    }

    /// <summary>Becomes a program with every signal at its default; the number of the step tells a command that cannot be run.</summary>
    public int Execute(string name, IReadOnlyCollection<string> candidates, IReadOnlyCollection<string> arguments, IReadOnlyCollection<string> environment)
    {
        var step = new LaunchStep { Kind = LaunchStepKind.Execute, ResultSlot = -1 };
        step.Arguments[0] = Arena.Texts(candidates);
        step.Arguments[1] = Arena.Texts(arguments);
        step.Arguments[2] = Arena.Texts(environment);
        // No signal may reach a handler of this program in the copy: first they go, then the signals may come.
        var action = Arena.Allocate(4 * sizeof(long));
        for (var signal = 1; signal <= LastSignal; signal++)
            if (signal is not (KillSignal or StopSignal)) Call($"reset signal {signal}", SystemCallNumbers.SignalAction, signal, action, 0, sizeof(long));
        Call("unblock all signals", SystemCallNumbers.SignalMask, SetMask, Arena.Allocate(sizeof(long)), 0, sizeof(long));
        Add($"start {name}", step);
        return _steps.Count - 1;
    }

    /// <summary>Becomes a process that does nothing, has nothing open, and lets the kernel collect the orphans that it is given.</summary>
    public void Stay()
    {
        var action = (nint*)Arena.Allocate(4 * sizeof(long));
        action[0] = 1; // SIG_IGN
        Call("ignore the end of children", SystemCallNumbers.SignalAction, ChildSignal, (nint)action, 0, sizeof(long));
        Add("stay", new LaunchStep { Kind = LaunchStepKind.Stay, ResultSlot = -1 });
    }

    /// <summary>Forks, and waits until the process has become what it is to be.</summary>
    public ForkedProcess Fork(Namespaces kinds)
    {
        var (read, write) = Descriptors.Pipe();
        using (read)
        using (write)
        {
            _state->Steps = (LaunchStep*)Arena.Bytes(MemoryMarshal.AsBytes(CollectionsMarshal.AsSpan(_steps)));
            _state->Count = _steps.Count;
            var (all, former) = (ulong.MaxValue, 0UL);
            _ = ForkedChild.SystemCall(SystemCallNumbers.SignalMask, SetMask, (nint)(&all), (nint)(&former), sizeof(ulong), 0);
            var id = ForkedChild.SystemCall(SystemCallNumbers.Clone, (nint)kinds | ChildSignal, 0, 0, 0, 0);
            var errno = *ForkedChild.ErrnoLocation();
            if (id == 0) ForkedChild.Run(_state, Descriptors.Number(write));
            _ = ForkedChild.SystemCall(SystemCallNumbers.SignalMask, SetMask, (nint)(&former), 0, sizeof(ulong), 0);
            if (id < 0) throw new LinuxException("create a process", errno);
            write.Dispose();
            return new ForkedProcess((int)id, ReadReport(read));
        }
    }

    private LaunchOutcome ReadReport(SafeFileHandle report)
    {
        var numbers = stackalloc int[2];
        nint count;
        do count = Libc.Read(Descriptors.Number(report), numbers, 2 * sizeof(int));
        while (count < 0 && Marshal.GetLastPInvokeError() == Errno.Interrupted);
        // An exec closes the pipe without a word. So does being killed before it: then the exit of the process tells.
        return count == 2 * sizeof(int) && numbers[0] >= 0 ? new LaunchOutcome(numbers[0], numbers[1], _descriptions[numbers[0]]) : new LaunchOutcome(-1, 0, "");
    }
}
