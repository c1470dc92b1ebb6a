using System.Text;

namespace Ergon.Conformance;

/// <summary>The vocabulary of test jobs, to be read as sentences.</summary>
public static class Steps
{
    /// <summary>Writes a text to stdout.</summary>
    public static Step Print(string text) => new PrintStep(OutputStream.Stdout, Encoding.UTF8.GetBytes(text));

    /// <summary>Writes a text to stderr.</summary>
    public static Step PrintError(string text) => new PrintStep(OutputStream.Stderr, Encoding.UTF8.GetBytes(text));

    /// <summary>Writes bytes to a stream.</summary>
    public static Step PrintBytes(OutputStream stream, byte[] bytes) => new PrintStep(stream, bytes);

    /// <inheritdoc cref="PrintPatternStep"/>
    public static Step PrintPattern(OutputStream stream, long size) => new PrintPatternStep(stream, size);

    /// <inheritdoc cref="PrintEndlesslyStep"/>
    public static Step PrintEndlessly(OutputStream stream) => new PrintEndlesslyStep(stream);

    /// <inheritdoc cref="TickStep"/>
    public static Step Tick() => new TickStep();

    /// <inheritdoc cref="SleepStep"/>
    public static Step Sleep(double seconds) => new SleepStep(seconds);

    /// <inheritdoc cref="HangStep"/>
    public static Step Hang() => new HangStep();

    /// <inheritdoc cref="BurnStep"/>
    public static Step Burn() => new BurnStep();

    /// <inheritdoc cref="ExitStep"/>
    public static Step Exit(int code) => new ExitStep(code);

    /// <inheritdoc cref="OnSignalStep"/>
    public static Step OnSignal(Signal signal, params Step[] handler) => new OnSignalStep(signal.Number, handler);

    /// <inheritdoc cref="WaitForSignalStep"/>
    public static Step WaitForSignal(Signal signal) => new WaitForSignalStep(signal.Number);

    /// <inheritdoc cref="KillSelfStep"/>
    public static Step KillSelf(Signal signal) => new KillSelfStep(signal.Number);

    /// <inheritdoc cref="ReadFileStep"/>
    public static Step ReadFile(string path) => new ReadFileStep(path);

    /// <inheritdoc cref="WriteFileStep"/>
    public static Step WriteFile(string path, string text) => new WriteFileStep(path, Encoding.UTF8.GetBytes(text));

    /// <inheritdoc cref="PrintVariableStep"/>
    public static Step PrintVariable(string name) => new PrintVariableStep(name);

    /// <inheritdoc cref="PrintArgumentsStep"/>
    public static Step PrintArguments() => new PrintArgumentsStep();

    /// <inheritdoc cref="PrintWorkingDirectoryStep"/>
    public static Step PrintWorkingDirectory() => new PrintWorkingDirectoryStep();

    /// <inheritdoc cref="CopyInputStep"/>
    public static Step CopyInput() => new CopyInputStep();

    /// <inheritdoc cref="PrintTerminalSizesStep"/>
    public static Step PrintTerminalSizes() => new PrintTerminalSizesStep();

    /// <inheritdoc cref="TogetherStep"/>
    public static Step Together(params Step[][] branches) => new TogetherStep(branches);

    /// <inheritdoc cref="BackgroundStep"/>
    public static Step Background(params Step[] steps) => new BackgroundStep(steps);

    /// <inheritdoc cref="ExhaustMemoryStep"/>
    public static Step ExhaustMemory() => new ExhaustMemoryStep();

    /// <inheritdoc cref="SpawnStep"/>
    public static Step Spawn(int count) => new SpawnStep(count);

    /// <inheritdoc cref="ListenStep"/>
    public static Step Listen(int port, string reply) => new ListenStep(port, reply);

    /// <inheritdoc cref="ConnectStep"/>
    public static Step Connect(string host, int port) => new ConnectStep(host, port);

    /// <inheritdoc cref="PrintInterfacesStep"/>
    public static Step PrintInterfaces() => new PrintInterfacesStep();
}
