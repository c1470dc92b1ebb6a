using System.Runtime.InteropServices;

namespace Ergon.Cli;

/// <summary>
/// Our own stdout or stderr, written as it comes. The console's streams keep silent about a pipe that nobody reads any more, and a file
/// stream would not share its position with the other programs that write to the same file.
/// </summary>
internal sealed partial class StandardStream
{
    private const int Interrupted = 4;
    private const int Again = 11;
    private const int BrokenPipe = 32;
    private const short ReadyToWrite = 4;

    private readonly int _descriptor;
    private readonly Stream? _console;

    private StandardStream(int descriptor)
    {
        _descriptor = descriptor;
        if (OperatingSystem.IsWindows()) _console = descriptor == 1 ? Console.OpenStandardOutput() : Console.OpenStandardError();
    }

    public static StandardStream Output { get; } = new(1);

    public static StandardStream Error { get; } = new(2);

    /// <summary>Whether a write failed because nobody reads any more, as opposed to a full disk and the like.</summary>
    public static bool IsBrokenPipe(IOException e) => e.HResult == BrokenPipe;

    /// <exception cref="IOException">It cannot be written, for example because nobody reads the pipe any more.</exception>
    public void Write(ReadOnlySpan<byte> bytes)
    {
        if (_console is not null)
        {
            _console.Write(bytes);
            return;
        }

        while (!bytes.IsEmpty)
        {
            var written = Write(_descriptor, bytes, bytes.Length);
            if (written > 0) bytes = bytes[(int)written..];
            else WaitOrThrow(Marshal.GetLastPInvokeError());
        }
    }

    // Whoever started us may have made the descriptor non-blocking.
    private void WaitOrThrow(int error)
    {
        if (error == Interrupted) return;
        if (error != Again) throw new IOException(Marshal.GetPInvokeErrorMessage(error), error);
        var poll = new PollDescriptor { Descriptor = _descriptor, Events = ReadyToWrite };
        _ = Poll(ref poll, 1, -1);
    }

    [LibraryImport("libc", EntryPoint = "write", SetLastError = true)]
    private static partial nint Write(int descriptor, ReadOnlySpan<byte> bytes, nint count);

    [LibraryImport("libc", EntryPoint = "poll", SetLastError = true)]
    private static partial int Poll(ref PollDescriptor descriptors, nuint count, int timeout);

    [StructLayout(LayoutKind.Sequential)]
    private struct PollDescriptor
    {
        public int Descriptor;
        public short Events;
        public short Returned;
    }
}
