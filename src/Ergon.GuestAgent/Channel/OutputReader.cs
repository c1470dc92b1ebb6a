using System.Runtime.InteropServices;
using Ergon.Linux;
using Ergon.Process.Native;
using Microsoft.Win32.SafeHandles;

namespace Ergon.GuestAgent.Channel;

/// <summary>Reads a pipe or a terminal into an output buffer, as fast as the host takes it.</summary>
internal sealed unsafe class OutputReader : IDisposable
{
    // What is read before others get their turn.
    private const int TurnBytes = 256 * 1024;

    private readonly SafeFileHandle _source;
    private readonly OutputBuffer _buffer;
    private readonly OutputTail? _tail;
    private readonly KernelEvents.Registration _registration;
    private readonly TaskCompletionSource _ended = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private bool _waitsForSpace;
    private bool _closed;

    public OutputReader(SafeFileHandle source, OutputBuffer buffer, KernelEvents events, OutputTail? tail = null)
    {
        (_source, _buffer, _tail) = (source, buffer, tail);
        _buffer.Freed = OnFreed;
        _registration = events.Add(source, KernelEvents.Readable, (_, _) => Read());
    }

    /// <summary>Completes when the last writer has closed it and everything has been read.</summary>
    public Task Ended => _ended.Task;

    private void OnFreed()
    {
        if (!_waitsForSpace) return;
        _waitsForSpace = false;
        Read();
    }

    private void Read()
    {
        for (var taken = 0; !_closed && taken < TurnBytes;)
        {
            var free = _buffer.Free;
            if (free.IsEmpty)
            {
                _waitsForSpace = true;
                return;
            }

            nint count;
            fixed (byte* start = free) count = Libc.Read(Descriptors.Number(_source), start, free.Length);
            if (count <= 0 && !GoOn(count)) return;
            if (count <= 0) continue;
            _tail?.Append(free[..(int)count]);
            _buffer.Commit((int)count);
            taken += (int)count;
        }

        if (!_closed) _registration.Arm(KernelEvents.Readable);
    }

    private bool GoOn(nint count)
    {
        var errno = count < 0 ? Marshal.GetLastPInvokeError() : 0;
        if (errno == Errno.Interrupted) return true;
        if (errno == Errno.TryAgain) _registration.Arm(KernelEvents.Readable);
        else Close(); // also a terminal that its last process has closed, which reads as an error
        return false;
    }

    private void Close()
    {
        _closed = true;
        _registration.Dispose();
        _source.Dispose();
        _buffer.End();
        _ended.TrySetResult();
    }

    public void Dispose()
    {
        if (!_closed) Close();
    }
}
