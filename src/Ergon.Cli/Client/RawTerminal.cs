using System.Runtime.InteropServices;

namespace Ergon.Cli.Client;

/// <summary>Our terminal while a command inside an execution has it: every key goes to the command. Disposing gives it back.</summary>
internal sealed partial class RawTerminal : IDisposable
{
    // Larger than struct termios on any Linux.
    private const int SettingsSize = 256;
    private const int Input = 0;
    private const int AfterOutput = 1;

    private readonly byte[] _before;

    private RawTerminal(byte[] before) => _before = before;

    /// <summary>The terminal's size; that of a classic one when there is none.</summary>
    public static TerminalSize Size => Console.IsOutputRedirected || Console.WindowWidth < 1 ? new TerminalSize(80, 24) : new TerminalSize(Console.WindowWidth, Console.WindowHeight);

    /// <summary>Takes the terminal; <see langword="null"/> when there is none.</summary>
    public static RawTerminal? Enter()
    {
        if (!OperatingSystem.IsLinux()) return null;
        var before = new byte[SettingsSize];
        if (GetSettings(Input, before) != 0) return null;
        var raw = (byte[])before.Clone();
        MakeRaw(raw);
        return SetSettings(Input, AfterOutput, raw) == 0 ? new RawTerminal(before) : null;
    }

    public void Dispose() => _ = SetSettings(Input, AfterOutput, _before);

    [LibraryImport("libc", EntryPoint = "tcgetattr")]
    private static partial int GetSettings(int descriptor, Span<byte> settings);

    [LibraryImport("libc", EntryPoint = "tcsetattr")]
    private static partial int SetSettings(int descriptor, int when, ReadOnlySpan<byte> settings);

    [LibraryImport("libc", EntryPoint = "cfmakeraw")]
    private static partial void MakeRaw(Span<byte> settings);
}
