using System.Buffers;
using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;

namespace Ergon.Linux;

/// <summary>
/// The pipe of one of a job's output streams. A <see cref="Keeper"/> holds its reading end as well, so that what nobody has read yet
/// stays in it, and who writes waits, while there is no executor.
/// </summary>
/// <remarks>
/// The kernel moves the output from the pipe into the log's file. Whenever this process is killed, each byte is in one of the two.
/// </remarks>
internal sealed class KeptPipe : IDisposable
{
    /// <summary>The most that the kernel gives to a pipe without further privileges: fewer switches between writer and reader.</summary>
    private const int BufferBytes = 1 << 20;

    private const int DropBytes = 128 * 1024;
    private const uint DoNotWait = 2;
    private const nuint FileReadable = 0x541B; // FIONREAD

    private readonly SafeFileHandle _read;
    private SafeFileHandle? _write;

    private KeptPipe(SafeFileHandle read, SafeFileHandle? write) => (_read, _write) = (read, write);

    /// <summary>The descriptor that the keeper gets.</summary>
    public int ReadDescriptor => Descriptors.Number(_read);

    /// <summary>The descriptor that the command gets.</summary>
    public int WriteDescriptor => Descriptors.Number(_write ?? throw new InvalidOperationException("The writing end has been closed."));

    /// <summary>Makes a pipe.</summary>
    public static KeptPipe Create()
    {
        var (read, write) = Descriptors.Pipe(BufferBytes);
        return new KeptPipe(read, write);
    }

    /// <summary>Opens the pipe that a keeper holds.</summary>
    public static KeptPipe Attach(Keeper keeper, int descriptor)
    {
        var read = keeper.OpenKept(descriptor, Libc.ReadOnly | Libc.NonBlocking);
        return new KeptPipe(read, keeper.OpenKept(descriptor, Libc.WriteOnly));
    }

    /// <summary>Leaves the writing to those who have got the descriptor: when they are gone, the reader is at the end.</summary>
    public void CloseWriter() => Interlocked.Exchange(ref _write, null)?.Dispose();

    /// <summary>Moves everything into a log, until nobody writes any more.</summary>
    /// <param name="append">Lets the function that it is given put what there is into the log's file: file, offset and most bytes to bytes.</param>
    /// <param name="dropped">Takes the end of what the log does not keep.</param>
    /// <param name="events">Tells when there is more.</param>
    /// <param name="cancellationToken">Ends it earlier.</param>
    public async Task MoveAsync(Action<Func<SafeFileHandle?, long, int, int>> append, Action<ReadOnlySpan<byte>> dropped, KernelEvents events, CancellationToken cancellationToken)
    {
        int Move(SafeFileHandle? file, long offset, int maxBytes) => file is null ? Drop(dropped) : Splice(file, offset, maxBytes);
        TaskCompletionSource<uint>? waiting = null;
        using var registration = events.AddUnarmed(_read, (_, happened) => Volatile.Read(ref waiting)?.TrySetResult(happened));
        while (true)
        {
            var next = new TaskCompletionSource<uint>(TaskCreationOptions.RunContinuationsAsynchronously);
            Volatile.Write(ref waiting, next);
            registration.Arm(KernelEvents.Readable);
            var happened = await next.Task.WaitAsync(cancellationToken);
            while (Available() > 0)
            {
                cancellationToken.ThrowIfCancellationRequested();
                append(Move);
            }

            if ((happened & KernelEvents.HungUp) != 0 && Available() == 0) return;
        }
    }

    private unsafe int Available()
    {
        int count;
        Libc.Check(Libc.Ioctl(Descriptors.Number(_read), FileReadable, &count), "ask how much a pipe holds");
        return count;
    }

    private unsafe int Splice(SafeFileHandle file, long offset, int maxBytes)
    {
        while (true)
        {
            var count = Libc.Splice(Descriptors.Number(_read), null, Descriptors.Number(file), &offset, maxBytes, DoNotWait);
            if (count >= 0) return (int)count;
            switch (Marshal.GetLastPInvokeError())
            {
                case Errno.Interrupted: continue;
                case Errno.TryAgain: return 0;
                case Errno.Invalid: return Copy(file, offset, maxBytes); // a file system that cannot take it from a pipe
                case var errno: throw new LinuxException("move output into the log", errno);
            }
        }
    }

    private int Copy(SafeFileHandle file, long offset, int maxBytes)
    {
        var buffer = ArrayPool<byte>.Shared.Rent(Math.Min(DropBytes, maxBytes));
        try
        {
            var bytes = buffer.AsSpan(0, Read(buffer, maxBytes));
            RandomAccess.Write(file, bytes, offset);
            return bytes.Length;
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(buffer);
        }
    }

    private int Drop(Action<ReadOnlySpan<byte>> dropped)
    {
        var buffer = ArrayPool<byte>.Shared.Rent(DropBytes);
        try
        {
            var count = Read(buffer, buffer.Length);
            dropped(buffer.AsSpan(0, count));
            return count;
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(buffer);
        }
    }

    // Called only when there is something, and by nobody else.
    private unsafe int Read(byte[] buffer, int maxBytes)
    {
        fixed (byte* start = buffer)
        {
            while (true)
            {
                var count = Libc.Read(ReadDescriptor, start, Math.Min(buffer.Length, maxBytes));
                if (count >= 0) return (int)count;
                if (Marshal.GetLastPInvokeError() is not Errno.Interrupted and var errno) throw new LinuxException("read output", errno);
            }
        }
    }

    public void Dispose()
    {
        CloseWriter();
        _read.Dispose();
    }
}
