using System.Runtime.InteropServices;
using Ergon.Images.Layers;
using Ergon.Linux;
using Microsoft.Win32.SafeHandles;

namespace Ergon.MicroVm.Vmm;

/// <summary>The reading end of a machine's console, without a thread that waits in it.</summary>
internal sealed class ConsoleStream : ReadOnlyStream
{
    private readonly SafeFileHandle _fifo;
    private readonly KernelEvents.Registration _registration;
    private TaskCompletionSource _ready = new(TaskCreationOptions.RunContinuationsAsynchronously);

    public ConsoleStream(SafeFileHandle fifo, KernelEvents events)
    {
        _fifo = fifo;
        _registration = events.Add(fifo, KernelEvents.Readable, (_, _) => _ready.TrySetResult());
    }

    public override async ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default)
    {
        while (true)
        {
            var count = TryRead(buffer.Span);
            if (count >= 0) return count;
            // One event for each time that it is asked for; asked for again, it comes at once when there is something already.
            await _ready.Task.WaitAsync(cancellationToken);
            _ready = new(TaskCreationOptions.RunContinuationsAsynchronously);
            _registration.Arm(KernelEvents.Readable);
        }
    }

    // -1: nothing is there now.
    private unsafe int TryRead(Span<byte> buffer)
    {
        ObjectDisposedException.ThrowIf(_fifo.IsClosed, this);
        fixed (byte* start = buffer)
        {
            var count = Libc.Read(Descriptors.Number(_fifo), start, buffer.Length);
            if (count >= 0) return (int)count;
            var errno = Marshal.GetLastPInvokeError();
            return errno is Errno.TryAgain or Errno.Interrupted ? -1 : throw new LinuxException("read a console", errno);
        }
    }

    public override int Read(Span<byte> buffer) => throw new NotSupportedException("Read it asynchronously.");

    protected override void Dispose(bool disposing)
    {
        if (disposing)
        {
            _registration.Dispose();
            _fifo.Dispose();
            _ready.TrySetResult();
        }

        base.Dispose(disposing);
    }
}
