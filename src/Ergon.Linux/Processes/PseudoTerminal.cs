using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;

namespace Ergon.Linux;

/// <summary>The master side of a pseudo-terminal.</summary>
internal sealed unsafe class PseudoTerminal : IDisposable
{
    private const nuint GetNumber = 0x80045430;
    private const nuint SetLock = 0x40045431;
    private const nuint SetWindowSize = 0x5414;
    private const int DuplicateCloseOnExec = 1030;

    private readonly SafeFileHandle _master;

    private PseudoTerminal(SafeFileHandle master, int number) => (_master, Number) = (master, number);

    /// <summary>The number of the terminal, which is its name below <c>/dev/pts</c>.</summary>
    public int Number { get; }

    /// <summary>Makes a terminal in the devpts file system that a multiplexer file belongs to.</summary>
    public static PseudoTerminal Open(string multiplexer)
    {
        var master = Descriptors.Open(multiplexer, Libc.ReadWrite | Libc.NoControllingTerminal | Libc.NonBlocking);
        try
        {
            var (number, unlocked) = (0, 0);
            Libc.Check(Libc.Ioctl(Descriptors.Number(master), SetLock, &unlocked), "unlock a terminal");
            Libc.Check(Libc.Ioctl(Descriptors.Number(master), GetNumber, &number), "find a terminal's number");
            return new PseudoTerminal(master, number);
        }
        catch
        {
            master.Dispose();
            throw;
        }
    }

    /// <summary>Tells the processes on the terminal its size.</summary>
    public void Resize(int columns, int rows)
    {
        var size = stackalloc ushort[4];
        (size[0], size[1]) = ((ushort)rows, (ushort)columns);
        Libc.Check(Libc.Ioctl(Descriptors.Number(_master), SetWindowSize, size), "resize a terminal");
    }

    /// <summary>What is written on the terminal, or what is typed on it.</summary>
    public TerminalStream OpenStream(KernelEvents events, bool input) => new(Duplicate(), events, input);

    /// <summary>The master once more, which does not block.</summary>
    public SafeFileHandle Duplicate() => new(Libc.Check(Libc.Fcntl(Descriptors.Number(_master), DuplicateCloseOnExec, 3), "duplicate a terminal"), ownsHandle: true);

    public void Dispose() => _master.Dispose();
}

/// <summary>One direction of a terminal, without a thread that blocks.</summary>
internal sealed class TerminalStream(SafeFileHandle master, KernelEvents events, bool input) : Stream
{
    private const byte EndOfInput = 4;
    private bool _closed;

    public override bool CanRead => !input;

    public override bool CanWrite => input;

    public override bool CanSeek => false;

    public override long Length => throw new NotSupportedException();

    public override long Position
    {
        get => throw new NotSupportedException();
        set => throw new NotSupportedException();
    }

    public override async ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default)
    {
        if (input) throw new NotSupportedException("This side of the terminal is only written.");
        if (buffer.IsEmpty) return 0;
        while (true)
        {
            var (count, errno) = TryRead(buffer.Span);
            if (count >= 0) return count;
            // The last process on the terminal has closed it.
            if (errno == Errno.InputOutput) return 0;
            await WaitAsync(errno, KernelEvents.Readable, "read from a terminal", cancellationToken);
        }
    }

    public override async ValueTask WriteAsync(ReadOnlyMemory<byte> buffer, CancellationToken cancellationToken = default)
    {
        if (!input) throw new NotSupportedException("This side of the terminal is only read.");
        while (!buffer.IsEmpty)
        {
            var (count, errno) = TryWrite(buffer.Span);
            if (count >= 0) buffer = buffer[count..];
            else await WaitAsync(errno, KernelEvents.Writable, "write to a terminal", cancellationToken);
        }
    }

    public override Task<int> ReadAsync(byte[] buffer, int offset, int count, CancellationToken cancellationToken) =>
        ReadAsync(buffer.AsMemory(offset, count), cancellationToken).AsTask();

    public override Task WriteAsync(byte[] buffer, int offset, int count, CancellationToken cancellationToken) =>
        WriteAsync(buffer.AsMemory(offset, count), cancellationToken).AsTask();

    public override Task FlushAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    public override void Flush()
    {
    }

    public override int Read(byte[] buffer, int offset, int count) => throw new NotSupportedException("Read a terminal asynchronously.");

    public override void Write(byte[] buffer, int offset, int count) => throw new NotSupportedException("Write to a terminal asynchronously.");

    public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();

    public override void SetLength(long value) => throw new NotSupportedException();

    protected override void Dispose(bool disposing)
    {
        if (_closed) return;
        _closed = true;
        // What a person would type; a terminal has no other end of input.
        if (input) _ = TryWrite([EndOfInput]);
        master.Dispose();
        base.Dispose(disposing);
    }

    private async Task WaitAsync(int errno, uint direction, string what, CancellationToken cancellationToken)
    {
        if (errno == Errno.Interrupted) return;
        if (errno != Errno.TryAgain) throw new LinuxException(what, errno);
        var ready = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        using var registration = events.Add(master, direction, (_, _) => ready.TrySetResult());
        await ready.Task.WaitAsync(cancellationToken);
    }

    private unsafe (int Count, int Errno) TryRead(Span<byte> buffer)
    {
        fixed (byte* start = buffer)
        {
            var count = Libc.Read(Descriptors.Number(master), start, buffer.Length);
            return ((int)count, count < 0 ? Marshal.GetLastPInvokeError() : 0);
        }
    }

    private unsafe (int Count, int Errno) TryWrite(ReadOnlySpan<byte> buffer)
    {
        fixed (byte* start = buffer)
        {
            var count = Libc.Write(Descriptors.Number(master), (void*)start, buffer.Length);
            return ((int)count, count < 0 ? Marshal.GetLastPInvokeError() : 0);
        }
    }
}
