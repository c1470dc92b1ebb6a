using System.IO.Pipes;
using Microsoft.Win32.SafeHandles;

namespace Ergon.Linux;

/// <summary>A pipe that a command writes into and this process reads.</summary>
internal sealed class OutputPipe : IDisposable
{
    /// <summary>The most that the kernel gives to a pipe without further privileges: fewer switches between writer and reader.</summary>
    private const int BufferBytes = 1 << 20;

    private readonly SafeFileHandle _write;

    public OutputPipe()
    {
        (var read, _write) = Descriptors.Pipe(BufferBytes);
        // This stream waits by epoll; a file stream would block a thread for each pipe.
        Reader = new AnonymousPipeClientStream(PipeDirection.In, new SafePipeHandle(read.DangerousGetHandle(), ownsHandle: true));
        read.SetHandleAsInvalid();
    }

    public Stream Reader { get; }

    /// <summary>The descriptor that the command gets.</summary>
    public int WriteDescriptor => Descriptors.Number(_write);

    /// <summary>Leaves the writing to those who have got the descriptor: when they are gone, the reader is at the end.</summary>
    public void CloseWriter() => _write.Dispose();

    public void Dispose()
    {
        _write.Dispose();
        Reader.Dispose();
    }
}
