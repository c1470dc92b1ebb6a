namespace Ergon;

/// <summary>Another command to run inside an execution.</summary>
public sealed record ExecRequest
{
    /// <summary>The program and its arguments; not interpreted by a shell.</summary>
    public required IReadOnlyList<string> Command { get; init; }

    /// <summary>Variables added to the execution's environment.</summary>
    public IReadOnlyDictionary<string, string> Environment { get; init; } = new Dictionary<string, string>();

    /// <summary>The directory to start in. <see langword="null"/>: the execution's own.</summary>
    public string? WorkingDirectory { get; init; }

    /// <summary>Whether the command reads from the session's input; without it, its input is empty.</summary>
    public bool Stdin { get; init; }

    /// <summary>The terminal to give to the command. <see langword="null"/>: none. With one, stdout and stderr are one stream.</summary>
    public TerminalSize? Terminal { get; init; }
}

/// <summary>The size of a terminal in characters.</summary>
public readonly record struct TerminalSize(int Columns, int Rows);
