using System.Runtime.InteropServices;
using Ergon.Linux;
using Microsoft.Win32.SafeHandles;

namespace Ergon.MicroVm.Vmm;

/// <summary>The reading end of a machine's console, without a thread that waits in it.</summary>
internal sealed class ConsoleStream : Stream
{
    private readonly SafeFileHandle _fifo;
    private readonly KernelEvents.Registration _registration;
    private TaskCompletionSource _ready = new(TaskCreationOptions.RunContinuationsAsynchronously);

    public ConsoleStream(SafeFileHandle fifo, KernelEvents events)
    {
        _fifo = fifo;
        _registration = events.Add(fifo, KernelEvents.Readable, (_, _) => _ready.TrySetResult());
    }

    public override bool CanRead => true;

    public override bool CanSeek => false;

    public override bool CanWrite => false;

    public override long Length => throw new NotSupportedException();

    public override long Position
    {
        get => throw new NotSupportedException();
        set => throw new NotSupportedException();
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

    public override Task<int> ReadAsync(byte[] buffer, int offset, int count, CancellationToken cancellationToken) =>
        ReadAsync(buffer.AsMemory(offset, count), cancellationToken).AsTask();

    public override int Read(byte[] buffer, int offset, int count) => throw new NotSupportedException("Read it asynchronously.");

    public override void Flush()
    {
    }

    public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();

    public override void SetLength(long value) => throw new NotSupportedException();

    public override void Write(byte[] buffer, int offset, int count) => throw new NotSupportedException();

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
