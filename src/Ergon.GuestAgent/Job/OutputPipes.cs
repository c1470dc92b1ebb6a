using Ergon.GuestAgent.Channel;
using Ergon.Linux;
using Ergon.MicroVm.Guest.Protocol;
using Ergon.Process.Native;
using Microsoft.Win32.SafeHandles;

namespace Ergon.GuestAgent.Job;

/// <summary>Stdout and stderr of a command: two pipes, and what is on its way from them to the host.</summary>
internal sealed class OutputPipes : IDisposable
{
    private const int PipeBytes = 256 * 1024;
    private const int SetStatusFlags = 4;

    private readonly KernelEvents _events;
    private readonly OutputTail? _tail;
    private readonly List<SafeFileHandle> _writers = [];
    private readonly List<OutputReader> _readers = [];

    public OutputPipes(uint channel, KernelEvents events, Action filled, OutputTail? tail = null)
    {
        (_events, _tail) = (events, tail);
        Stdout = new OutputBuffer(channel, 1) { Filled = filled };
        Stderr = new OutputBuffer(channel, 2) { Filled = filled };
    }

    public OutputBuffer Stdout { get; }

    public OutputBuffer Stderr { get; }

    /// <summary>Completes when everything written has been read.</summary>
    public Task Drained => Task.WhenAll(_readers.Select(r => r.Ended));

    /// <summary>Makes the pipes and returns the ends that commands write to.</summary>
    public (int Stdout, int Stderr) Open() => (Open(Stdout), Open(Stderr));

    /// <summary>From here on only the commands have the ends that are written to.</summary>
    public void CloseWriters()
    {
        foreach (var writer in _writers) writer.Dispose();
    }

    /// <summary>Reads from a terminal, which has one stream.</summary>
    public void Read(SafeFileHandle terminal)
    {
        _readers.Add(new OutputReader(terminal, Stdout, _events, _tail));
        Stderr.End();
    }

    /// <summary>A command that could not be run says so where a shell would.</summary>
    public static void Say(OutputBuffer buffer, string text)
    {
        var bytes = System.Text.Encoding.UTF8.GetBytes(text);
        bytes.AsSpan().CopyTo(buffer.Free);
        buffer.Commit(bytes.Length);
    }

    public OutputBuffer Stream(byte number) => number switch
    {
        1 => Stdout,
        2 => Stderr,
        _ => throw new ProtocolException($"There is no output stream {number}."),
    };

    private int Open(OutputBuffer buffer)
    {
        var (read, write) = Descriptors.Pipe(PipeBytes);
        Libc.Check(Libc.Fcntl(Descriptors.Number(read), SetStatusFlags, Libc.NonBlocking), "change a pipe");
        _writers.Add(write);
        _readers.Add(new OutputReader(read, buffer, _events, _tail));
        return Descriptors.Number(write);
    }

    public void Dispose()
    {
        CloseWriters();
        foreach (var reader in _readers) reader.Dispose();
        Stdout.Dispose();
        Stderr.Dispose();
    }
}
