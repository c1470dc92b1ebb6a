using System.Text.Json.Serialization;

namespace Ergon.Conformance;

/// <summary>
/// One thing that a test job does. Backends that run real commands run it as a line of <c>/bin/sh</c> (see <see cref="ShellScript"/>);
/// a backend that cannot interprets it.
/// </summary>
[JsonPolymorphic(TypeDiscriminatorPropertyName = "do")]
[JsonDerivedType(typeof(PrintStep), "print")]
[JsonDerivedType(typeof(PrintPatternStep), "print_pattern")]
[JsonDerivedType(typeof(PrintEndlesslyStep), "print_endlessly")]
[JsonDerivedType(typeof(TickStep), "tick")]
[JsonDerivedType(typeof(SleepStep), "sleep")]
[JsonDerivedType(typeof(HangStep), "hang")]
[JsonDerivedType(typeof(BurnStep), "burn")]
[JsonDerivedType(typeof(ExitStep), "exit")]
[JsonDerivedType(typeof(OnSignalStep), "on_signal")]
[JsonDerivedType(typeof(WaitForSignalStep), "wait_for_signal")]
[JsonDerivedType(typeof(KillSelfStep), "kill_self")]
[JsonDerivedType(typeof(ReadFileStep), "read_file")]
[JsonDerivedType(typeof(WriteFileStep), "write_file")]
[JsonDerivedType(typeof(PrintVariableStep), "print_variable")]
[JsonDerivedType(typeof(PrintArgumentsStep), "print_arguments")]
[JsonDerivedType(typeof(PrintWorkingDirectoryStep), "print_working_directory")]
[JsonDerivedType(typeof(CopyInputStep), "copy_input")]
[JsonDerivedType(typeof(PrintTerminalSizesStep), "print_terminal_sizes")]
[JsonDerivedType(typeof(TogetherStep), "together")]
[JsonDerivedType(typeof(BackgroundStep), "background")]
[JsonDerivedType(typeof(ExhaustMemoryStep), "exhaust_memory")]
[JsonDerivedType(typeof(SpawnStep), "spawn")]
[JsonDerivedType(typeof(ListenStep), "listen")]
[JsonDerivedType(typeof(ConnectStep), "connect")]
[JsonDerivedType(typeof(PrintInterfacesStep), "print_interfaces")]
public abstract record Step;

/// <summary>Writes bytes.</summary>
public sealed record PrintStep(OutputStream Stream, byte[] Bytes) : Step;

/// <summary>Writes the first bytes of <see cref="Pattern"/>.</summary>
public sealed record PrintPatternStep(OutputStream Stream, long Size) : Step;

/// <summary>Writes lines as fast as it can, until it is stopped.</summary>
public sealed record PrintEndlesslyStep(OutputStream Stream) : Step;

/// <summary>Writes a line with a rising number about every 50 milliseconds, until it is stopped.</summary>
public sealed record TickStep : Step;

/// <summary>Sleeps; signals are handled afterwards.</summary>
public sealed record SleepStep(double Seconds) : Step;

/// <summary>Sleeps until it is stopped, handling signals.</summary>
public sealed record HangStep : Step;

/// <summary>Uses a core until it is stopped.</summary>
public sealed record BurnStep : Step;

/// <summary>Exits.</summary>
public sealed record ExitStep(int Code) : Step;

/// <summary>From now on, does the handler's steps on a signal; with none, ignores it.</summary>
public sealed record OnSignalStep(int Signal, Step[] Handler) : Step;

/// <summary>Prints <c>waiting</c> and a newline once it listens for the signal, and goes on when it has come.</summary>
public sealed record WaitForSignalStep(int Signal) : Step;

/// <summary>Sends itself a signal.</summary>
public sealed record KillSelfStep(int Signal) : Step;

/// <summary>Copies a file to stdout; exits with 66 when it cannot be read.</summary>
public sealed record ReadFileStep(string Path) : Step;

/// <summary>Writes a file; exits with 73 when it cannot be written.</summary>
public sealed record WriteFileStep(string Path, byte[] Bytes) : Step;

/// <summary>Writes <c>[value]</c> of a variable, or <c>unset</c>, and a newline.</summary>
public sealed record PrintVariableStep(string Name) : Step;

/// <summary>Writes <c>[argument]</c> and a newline for each argument.</summary>
public sealed record PrintArgumentsStep : Step;

/// <summary>Writes the working directory and a newline.</summary>
public sealed record PrintWorkingDirectoryStep : Step;

/// <summary>Copies the input to stdout until its end.</summary>
public sealed record CopyInputStep : Step;

/// <summary>Prints <c>terminal</c>, and then <c>rows columns</c> of the terminal for each line of input.</summary>
public sealed record PrintTerminalSizesStep : Step;

/// <summary>Does several lists of steps at the same time and goes on when all are done.</summary>
public sealed record TogetherStep(Step[][] Branches) : Step;

/// <summary>Does steps in a process of their own, which nobody waits for.</summary>
public sealed record BackgroundStep(Step[] Steps) : Step;

/// <summary>Becomes a process that allocates memory without end.</summary>
public sealed record ExhaustMemoryStep : Step;

/// <summary>Starts sleeping processes; exits with 2 when one cannot be started.</summary>
public sealed record SpawnStep(int Count) : Step;

/// <summary>Listens on a TCP port, answers one connection with a text, and goes on.</summary>
public sealed record ListenStep(int Port, string Reply) : Step;

/// <summary>Connects to a TCP port and copies what comes to stdout; exits with 68 when it cannot connect.</summary>
public sealed record ConnectStep(string Host, int Port) : Step;

/// <summary>Writes the names of the network interfaces, one a line.</summary>
public sealed record PrintInterfacesStep : Step;
