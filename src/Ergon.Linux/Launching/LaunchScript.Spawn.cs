namespace Ergon.Linux;

/// <summary>A program to start.</summary>
internal sealed record SpawnRequest
{
    /// <summary>What it is called in errors.</summary>
    public required string Name { get; init; }

    /// <summary>The paths to try, in order.</summary>
    public required IReadOnlyList<string> Candidates { get; init; }

    /// <summary>The argument vector, with the program's name first.</summary>
    public required IReadOnlyList<string> Arguments { get; init; }

    /// <summary>The environment as <c>NAME=value</c>.</summary>
    public required IReadOnlyList<string> Environment { get; init; }

    /// <summary>The descriptors that become 0, 1 and 2; ignored with <see cref="Terminal"/>.</summary>
    public IReadOnlyList<int> Streams { get; init; } = [];

    /// <summary>The terminal's path, which becomes 0, 1 and 2 and the controlling terminal.</summary>
    public string? Terminal { get; init; }

    /// <summary>Whether the program leads a session of its own.</summary>
    public bool NewSession { get; init; } = true;

    /// <summary>Whether the program inherits that the kernel collects its children, after <see cref="LaunchScript.IgnoreChildren"/>.</summary>
    public bool IgnoresChildren { get; init; }

    /// <summary>The gate at which the child waits between its birth and its exec.</summary>
    public SpawnGate? Gate { get; init; }
}

internal sealed unsafe partial class LaunchScript
{
    private const int SpawnStructBytes = 1024; // posix_spawnattr_t has 336 bytes in glibc and musl, the actions 80
    private const int SignalSetBytes = 128;
    private const short SetDefaultSignals = 4;
    private const short SetSignalMask = 8;
    private const short SetSession = 0x80;

    /// <summary>Starts a program; the result is its process id. The number of the step tells a command that cannot be run.</summary>
    public int Spawn(SpawnRequest request, ScriptValue child)
    {
        var step = new LaunchStep { Kind = LaunchStepKind.Spawn, ResultSlot = child.Slot - 1 };
        step.Arguments[0] = Arena.Texts(request.Candidates);
        step.Arguments[1] = FileActions(request);
        step.Arguments[2] = Attributes(request);
        step.Arguments[3] = Arena.Texts(request.Arguments);
        step.Arguments[4] = Arena.Texts(request.Environment);
        for (var i = 0; i < 5; i++) step.ArgumentSlots[i] = -1;
        Add($"start {request.Name}", step);
        return _steps.Count - 1;
    }

    /// <summary>Waits for a child of this script; it must exit with code 0.</summary>
    public void WaitFor(ScriptValue child, string name)
    {
        var step = new LaunchStep { Kind = LaunchStepKind.WaitForChild, ResultSlot = -1 };
        step.Arguments[1] = Arena.Allocate(SignalSetBytes);
        for (var i = 0; i < 5; i++) step.ArgumentSlots[i] = -1;
        step.ArgumentSlots[0] = (sbyte)(child.Slot - 1);
        Add($"run {name}", step);
    }

    private nint FileActions(SpawnRequest request)
    {
        var actions = Arena.Allocate(SpawnStructBytes);
        Verify(Libc.SpawnActionsInit(actions));
        _spawnActions.Add(actions);
        if (request.Gate is { } gate)
        {
            // Opening the first pipe for writing and closing it again tells that the child is there; opening the second for reading
            // holds it until somebody opens that one for writing.
            Verify(Libc.SpawnActionsAddOpen(actions, 0, Arena.Text(gate.ArrivalPath), Libc.WriteOnly, 0));
            Verify(Libc.SpawnActionsAddClose(actions, 0));
            Verify(Libc.SpawnActionsAddOpen(actions, 0, Arena.Text(gate.ReleasePath), Libc.ReadOnly, 0));
            Verify(Libc.SpawnActionsAddClose(actions, 0));
        }

        if (request.Terminal is { } terminal)
        {
            Verify(Libc.SpawnActionsAddOpen(actions, 0, Arena.Text(terminal), Libc.ReadWrite, 0));
            Verify(Libc.SpawnActionsAddDuplicate(actions, 0, 1));
            Verify(Libc.SpawnActionsAddDuplicate(actions, 0, 2));
            return actions;
        }

        for (var i = 0; i < request.Streams.Count; i++) Verify(Libc.SpawnActionsAddDuplicate(actions, request.Streams[i], i));
        return actions;
    }

    // Every signal has its default effect and none is blocked, whatever this process and its runtime do with them.
    private nint Attributes(SpawnRequest request)
    {
        var attributes = Arena.Allocate(SpawnStructBytes);
        Verify(Libc.SpawnAttributesInit(attributes));
        _spawnAttributes.Add(attributes);
        var all = Arena.Allocate(SignalSetBytes);
        new Span<byte>((void*)all, SignalSetBytes).Fill(0xff);
        if (request.IgnoresChildren) *(ulong*)all &= ~(1UL << (ChildSignal - 1));
        Verify(Libc.SpawnAttributesSetDefaultSignals(attributes, all));
        Verify(Libc.SpawnAttributesSetSignalMask(attributes, Arena.Allocate(SignalSetBytes)));
        Verify(Libc.SpawnAttributesSetFlags(attributes, (short)(SetDefaultSignals | SetSignalMask | (request.NewSession ? SetSession : 0))));
        return attributes;
    }

    private static void Verify(int errno)
    {
        if (errno != 0) throw new LinuxException("describe a program to start", errno);
    }
}
