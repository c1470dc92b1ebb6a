using System.IO.Pipes;
using Microsoft.Win32.SafeHandles;

namespace Ergon.Linux;

/// <summary>The streams of a command that somebody talks to: pipes, or a terminal.</summary>
internal sealed class CommandStreams : IAsyncDisposable
{
    private readonly List<IDisposable> _handed = [];

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

    /// <summary>The descriptors that become the command's 0, 1 and 2.</summary>
    public IReadOnlyList<int> Descriptors { get; private set; } = [];

    /// <summary>Makes pipes.</summary>
    /// <param name="withInput">Whether somebody writes to the command; else it reads nothing.</param>
    public static CommandStreams OnPipes(bool withInput)
    {
        var streams = new CommandStreams();
        var (output, error) = (new OutputPipe(), new OutputPipe());
        (streams.Output, streams.Error) = (output.Reader, error.Reader);
        SafeFileHandle read;
        if (withInput)
        {
            (read, var write) = Linux.Descriptors.Pipe();
            streams.Input = new AnonymousPipeClientStream(PipeDirection.Out, new SafePipeHandle(write.DangerousGetHandle(), ownsHandle: true));
            write.SetHandleAsInvalid();
        }
        else
        {
            read = Linux.Descriptors.Open("/dev/null", Libc.ReadOnly);
        }

        streams.Descriptors = [Linux.Descriptors.Number(read), output.WriteDescriptor, error.WriteDescriptor];
        streams._handed.AddRange([read, new Writer(output), new Writer(error)]);
        return streams;
    }

    /// <summary>Makes a terminal.</summary>
    /// <param name="root">The root directory of the command, as this process reaches it.</param>
    /// <param name="columns">Its width.</param>
    /// <param name="rows">Its height.</param>
    /// <param name="events">Tells when there is something.</param>
    public static CommandStreams OnTerminal(string root, int columns, int rows, KernelEvents events)
    {
        var streams = new CommandStreams { Terminal = PseudoTerminal.Open(root + "/dev/pts/ptmx") };
        streams.Terminal.Resize(columns, rows);
        (streams.Input, streams.Output) = (streams.Terminal.OpenStream(events, input: true), streams.Terminal.OpenStream(events, input: false));
        var slave = Linux.Descriptors.Open($"{root}/dev/pts/{streams.Terminal.Number}", Libc.ReadWrite | Libc.NoControllingTerminal);
        var number = Linux.Descriptors.Number(slave);
        streams.Descriptors = [number, number, number];
        streams._handed.Add(slave);
        return streams;
    }

    /// <summary>The command has got its descriptors: when it has closed them, the streams are at their end.</summary>
    public void HandedOver()
    {
        foreach (var descriptor in _handed) descriptor.Dispose();
        _handed.Clear();
    }

    public async ValueTask DisposeAsync()
    {
        HandedOver();
        await Input.DisposeAsync();
        await Output.DisposeAsync();
        await Error.DisposeAsync();
        Terminal?.Dispose();
    }

    private sealed class Writer(OutputPipe pipe) : IDisposable
    {
        public void Dispose() => pipe.CloseWriter();
    }
}
