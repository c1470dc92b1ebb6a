using System.Runtime.InteropServices;
using Ergon.Linux;
using Microsoft.Win32.SafeHandles;

namespace Ergon.GuestAgent.Job;

/// <summary>Writes the host's input into a pipe or a terminal as it is read there.</summary>
internal sealed unsafe class InputWriter : IDisposable
{
    private const byte EndOfInput = 4;

    private readonly SafeFileHandle _target;
    private readonly bool _isTerminal;
    private readonly Action<long> _written;
    private readonly KernelEvents.Registration _registration;
    private readonly Queue<ReadOnlyMemory<byte>> _pending = new();
    private long _count;
    private int _offset;
    private bool _ending;
    private bool _armed = true;
    private bool _closed;

    /// <param name="target">Where to write, without blocking.</param>
    /// <param name="isTerminal">Whether the end of input is typed, not closed.</param>
    /// <param name="written">Told how much has been written so far.</param>
    /// <param name="events">Tells when more can be written.</param>
    public InputWriter(SafeFileHandle target, bool isTerminal, Action<long> written, KernelEvents events)
    {
        (_target, _isTerminal, _written) = (target, isTerminal, written);
        _registration = events.Add(target, KernelEvents.Writable, (_, _) => OnWritable());
    }

    public void Write(ReadOnlySpan<byte> bytes)
    {
        if (_ending) return;
        _pending.Enqueue(bytes.ToArray());
        Flush();
    }

    public void End()
    {
        if (_ending) return;
        // What a person would type; a terminal has no other end of input.
        if (_isTerminal) _pending.Enqueue(new byte[] { EndOfInput });
        _ending = true;
        Flush();
    }

    private void OnWritable()
    {
        _armed = false;
        Flush();
    }

    private void Flush()
    {
        if (_closed) return;
        var before = _count;
        while (_pending.TryPeek(out var next))
        {
            nint count;
            fixed (byte* start = next.Span[_offset..]) count = Libc.Write(Descriptors.Number(_target), start, next.Length - _offset);
            if (count >= 0)
            {
                Take((int)count, next.Length);
                continue;
            }

            var errno = Marshal.GetLastPInvokeError();
            if (errno == Errno.TryAgain)
            {
                Arm();
                break;
            }

            // Nobody reads it: it counts as taken, as what is written to a closed pipe does.
            if (errno != Errno.Interrupted) Take(next.Length - _offset, next.Length);
        }

        if (_count != before) _written(_count);
        if (_ending && _pending.Count == 0) Dispose();
    }

    private void Take(int count, int length)
    {
        _count += count;
        _offset += count;
        if (_offset < length) return;
        _ = _pending.Dequeue();
        _offset = 0;
    }

    private void Arm()
    {
        if (_armed) return;
        _armed = true;
        _registration.Arm(KernelEvents.Writable);
    }

    public void Dispose()
    {
        if (_closed) return;
        _closed = true;
        _registration.Dispose();
        _target.Dispose();
    }
}
