using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;

namespace Ergon.Linux;

/// <summary>An argument of a step: a constant, or the result of an earlier step.</summary>
/// <param name="Constant">The constant.</param>
/// <param name="Slot">The place of the result, from 1; 0 for a constant.</param>
internal readonly record struct ScriptValue(nint Constant, int Slot = 0)
{
    public static implicit operator ScriptValue(nint value) => new(value);

    public static implicit operator ScriptValue(int value) => new(value);

    public static implicit operator ScriptValue(uint value) => new((nint)value);
}

/// <summary>How a launch ended.</summary>
/// <param name="FailedStep">The step that failed; -1 when none did.</param>
/// <param name="Errno">The kernel's error number of the failed step.</param>
/// <param name="Description">What the failed step does.</param>
internal readonly record struct LaunchOutcome(int FailedStep, int Errno, string Description)
{
    public bool Succeeded => FailedStep < 0;

    /// <summary>The failure as an exception.</summary>
    public LinuxException ToException() => new(Description, Errno);
}

/// <summary>
/// A program of system calls, made beforehand, that a thread of its own executes without running any other managed code.
/// </summary>
/// <remarks>
/// A launch changes what its thread is: other namespaces, another root directory, another user. Meanwhile the thread must do nothing on
/// behalf of the runtime: it could not create a thread (the kernel refuses that across pid namespaces), could not load an assembly (the
/// file is hidden), and would run as nobody. So everything that allocates, decides or may be compiled happens before, in the methods that
/// add steps; the thread then only walks native memory in <see cref="LaunchThread"/>, tells that it is done, and ends.
/// </remarks>
internal sealed unsafe partial class LaunchScript : IDisposable
{
    // As many as a sandbox has, so that the lists need not grow.
    private const int UsualSteps = 128;

    private readonly List<LaunchStep> _steps = new(UsualSteps);
    private readonly List<string> _descriptions = new(UsualSteps);
    private readonly LaunchState* _state;
    private readonly List<nint> _spawnActions = [];
    private readonly List<nint> _spawnAttributes = [];
    private int _slots;

    public LaunchScript()
    {
        Arena = new NativeArena();
        _state = (LaunchState*)Arena.Allocate(sizeof(LaunchState));
    }

    /// <summary>Memory that lives as long as the script.</summary>
    public NativeArena Arena { get; }

    /// <summary>The number of steps so far, which is the number of the next one.</summary>
    public int Count => _steps.Count;

    /// <summary>The id of the thread that executes the script; 0 before it runs.</summary>
    public int ThreadId => Volatile.Read(ref _state->ThreadId);

    /// <summary>The result of a step that was kept.</summary>
    public nint Result(ScriptValue value) => value.Slot == 0 ? value.Constant : (nint)_state->Slots[value.Slot - 1];

    /// <summary>Makes a place for a result.</summary>
    public ScriptValue NewSlot() => new(0, _slots < LaunchState.MaxSlots ? ++_slots : throw new InvalidOperationException("The script keeps too many results."));

    /// <summary>From here on come steps that are executed in any case, also after a failure, and may fail.</summary>
    public void Finally() => _state->FinalStep = _steps.Count;

    /// <summary>Adds a system call. A failure with one of the tolerated error numbers counts as done.</summary>
    public void Call(
        string description, int number, ScriptValue a0 = default, ScriptValue a1 = default, ScriptValue a2 = default, ScriptValue a3 = default,
        ScriptValue a4 = default, ScriptValue? result = null, int tolerated = 0, int alsoTolerated = 0)
    {
        var step = new LaunchStep { Kind = LaunchStepKind.SystemCall, Number = number, ResultSlot = (result?.Slot ?? 0) - 1, Tolerated = tolerated, AlsoTolerated = alsoTolerated };
        Span<ScriptValue> arguments = [a0, a1, a2, a3, a4];
        for (var i = 0; i < arguments.Length; i++)
        {
            step.Arguments[i] = arguments[i].Constant;
            step.ArgumentSlots[i] = (sbyte)(arguments[i].Slot - 1);
        }

        Add(description, step);
    }

    private void Add(string description, LaunchStep step)
    {
        _steps.Add(step);
        _descriptions.Add(description);
    }

    // What the launching thread is given.
    private nint Prepare(SafeFileHandle done)
    {
        _state->Steps = (LaunchStep*)Arena.Bytes(MemoryMarshal.AsBytes(CollectionsMarshal.AsSpan(_steps)));
        _state->Count = _steps.Count;
        _state->DoneDescriptor = (int)done.DangerousGetHandle();
        _state->FailedStep = -1;
        if (_state->FinalStep == 0) _state->FinalStep = _steps.Count;
        _state->One = 1;
        LaunchThread.Resolve(_state);
        return (nint)_state;
    }

    private LaunchOutcome ReadOutcome()
    {
        var failed = _state->FailedStep;
        return new LaunchOutcome(failed, _state->Errno, failed < 0 ? "" : _descriptions[failed]);
    }

    public void Dispose()
    {
        foreach (var actions in _spawnActions) _ = Libc.SpawnActionsDestroy(actions);
        foreach (var attributes in _spawnAttributes) _ = Libc.SpawnAttributesDestroy(attributes);
        _spawnActions.Clear();
        _spawnAttributes.Clear();
        Arena.Dispose();
    }
}
