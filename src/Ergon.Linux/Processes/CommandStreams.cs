using System.IO.Pipes;
using System.Text;
using Microsoft.Win32.SafeHandles;

namespace Ergon.Linux;

/// <summary>The streams of a command that somebody talks to: pipes, or a terminal.</summary>
internal sealed class CommandStreams : IDisposable
{
    private readonly List<IDisposable> _handed = [];
    private readonly List<int> _descriptors = [];

    private CommandStreams()
    {
    }

    /// <summary>What the command reads.</summary>
    public Stream Input { get; private set; } = Stream.Null;

    /// <summary>What the command writes.</summary>
    public Stream Output { get; private set; } = Stream.Null;

    /// <summary>What the command writes to its standard error; nothing on a terminal.</summary>
    public Stream Error { get; private set; } = Stream.Null;

    /// <summary>The terminal, if it is one.</summary>
    public PseudoTerminal? Terminal { get; private set; }

    /// <summary>The descriptors that become the command's 0, 1 and 2; none for a command that opens its terminal itself.</summary>
    public IReadOnlyList<int> Descriptors => _descriptors;

    /// <summary>Makes pipes.</summary>
    /// <param name="withInput">Whether somebody writes to the command; else it reads nothing.</param>
    public static CommandStreams OnPipes(bool withInput)
    {
        var streams = new CommandStreams();
        try
        {
            streams.AddInput(withInput);
            streams.Output = streams.AddOutput();
            streams.Error = streams.AddOutput();
            return streams;
        }
        catch
        {
            streams.Dispose();
            throw;
        }
    }

    /// <summary>Makes a terminal.</summary>
    /// <param name="multiplexer">The <c>ptmx</c> of the command's terminals, as this process reaches it.</param>
    /// <param name="columns">Its width.</param>
    /// <param name="rows">Its height.</param>
    /// <param name="events">Tells when there is something.</param>
    public static CommandStreams OnTerminal(string multiplexer, int columns, int rows, KernelEvents events)
    {
        var streams = new CommandStreams { Terminal = PseudoTerminal.Open(multiplexer) };
        try
        {
            streams.Terminal.Resize(columns, rows);
            (streams.Input, streams.Output) = (streams.Terminal.OpenStream(events, input: true), streams.Terminal.OpenStream(events, input: false));
            return streams;
        }
        catch
        {
            streams.Dispose();
            throw;
        }
    }

    /// <summary>Opens the command's side of the terminal, for a command that does not do so itself.</summary>
    /// <param name="path">Its path, as this process reaches it.</param>
    public void OpenTerminal(string path)
    {
        var slave = Linux.Descriptors.Open(path, Libc.ReadWrite | Libc.NoControllingTerminal);
        _handed.Add(slave);
        var number = Linux.Descriptors.Number(slave);
        _descriptors.AddRange([number, number, number]);
    }

    /// <summary>The command has got its descriptors: when it has closed them, the streams are at their end.</summary>
    public void HandedOver()
    {
        foreach (var descriptor in _handed) descriptor.Dispose();
        _handed.Clear();
    }

    /// <summary>The command could not be run, which is said where a shell would say it.</summary>
    public void Refuse(string message)
    {
        HandedOver();
        var said = new MemoryStream(Encoding.UTF8.GetBytes(message + "\n"), writable: false);
        // Nobody will ever write what is read there otherwise.
        (Terminal is null ? Error : Output).Dispose();
        if (Terminal is null) Error = said;
        else Output = said;
    }

    public void Dispose()
    {
        HandedOver();
        Input.Dispose();
        Output.Dispose();
        Error.Dispose();
        Terminal?.Dispose();
    }

    private void AddInput(bool isWritten)
    {
        if (!isWritten)
        {
            Hand(Linux.Descriptors.Open("/dev/null", Libc.ReadOnly));
            return;
        }

        var (read, write) = Linux.Descriptors.Pipe();
        Hand(read);
        Input = new AnonymousPipeClientStream(PipeDirection.Out, new SafePipeHandle(write.DangerousGetHandle(), ownsHandle: true));
        write.SetHandleAsInvalid();
    }

    private Stream AddOutput()
    {
        var pipe = new OutputPipe();
        _handed.Add(new Writer(pipe));
        _descriptors.Add(pipe.WriteDescriptor);
        return pipe.Reader;
    }

    private void Hand(SafeFileHandle handle)
    {
        _handed.Add(handle);
        _descriptors.Add(Linux.Descriptors.Number(handle));
    }

    private sealed class Writer(OutputPipe pipe) : IDisposable
    {
        public void Dispose() => pipe.CloseWriter();
    }
}
