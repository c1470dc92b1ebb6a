using System.Buffers;
using Ergon.MicroVm.Guest.Protocol;

namespace Ergon.GuestAgent.Channel;

/// <summary>Finds the host's frames in what arrives.</summary>
internal sealed class FrameReceiver(FrameReceiver.Handler handle)
{
    public delegate void Handler(FrameType type, ReadOnlySpan<byte> payload);

    private const int ReadBytes = 64 * 1024;

    private byte[] _buffer = new byte[ReadBytes];
    private int _start;
    private int _end;
    private int _searched;

    /// <summary>Memory to read into.</summary>
    public Span<byte> Free
    {
        get
        {
            if (_start == _end) (_start, _end) = (0, 0);
            if (_buffer.Length - _end < ReadBytes / 2) MakeSpace();
            return _buffer.AsSpan(_end);
        }
    }

    /// <summary>Forgets a frame that has begun: its rest will not come.</summary>
    public void Reset() => (_start, _end, _searched) = (0, 0, 0);

    /// <summary>Takes what was read into <see cref="Free"/>, and handles the frames that it completes.</summary>
    public void Commit(int count)
    {
        _end += count;
        while (true)
        {
            SkipCutConfiguration();
            var rest = new ReadOnlySequence<byte>(_buffer, _start, _end - _start);
            FrameType type;
            ReadOnlySequence<byte> payload;
            try
            {
                if (!FrameParser.TryTake(ref rest, MaxPayload, out type, out payload))
                {
                    _start = _end - (int)rest.Length;
                    return;
                }
            }
            catch (ProtocolException)
            {
                // The rest of a frame that an earlier host was cut off in, read from its middle: only a greeting brings order again.
                if (!SkipToGreeting()) return;
                continue;
            }

            _start = _end - (int)rest.Length;
            _searched = 0;
            try
            {
                handle(type, payload.FirstSpan);
            }
            catch (ProtocolException)
            {
                // Completed by padding, not by who began it.
            }
        }
    }

    private static int MaxPayload(FrameType type) =>
        type == FrameType.Configure ? GuestProtocol.MaxConfigurationPayload : type < FrameType.Welcome ? GuestProtocol.MaxHostPayload : -1;

    // A configuration is the only frame that is longer than the padding of a new connection: its end may never come.
    private void SkipCutConfiguration()
    {
        if (_start == _end || _buffer[_start] != (byte)FrameType.Configure) return;
        var from = Math.Max(_start + 1, _searched - GuestProtocol.HelloMark.Length);
        var found = _buffer.AsSpan(from, _end - from).IndexOf(GuestProtocol.HelloMark);
        _searched = _end;
        if (found >= 0) _start = from + found - GuestProtocol.HeaderBytes;
    }

    private bool SkipToGreeting()
    {
        var found = _buffer.AsSpan(_start + 1, _end - _start - 1).IndexOf(GuestProtocol.HelloMark);
        if (found >= GuestProtocol.HeaderBytes) _start += 1 + found - GuestProtocol.HeaderBytes;
        else _start = Math.Max(_start + 1, _end - GuestProtocol.HeaderBytes - GuestProtocol.HelloMark.Length);
        return found >= GuestProtocol.HeaderBytes;
    }

    private void MakeSpace()
    {
        var kept = _buffer.AsSpan(_start, _end - _start);
        // Only a configuration needs more than one read; it may need much more.
        var target = kept.Length > _buffer.Length / 2 ? new byte[_buffer.Length * 2] : _buffer;
        kept.CopyTo(target);
        _buffer = target;
        _searched = Math.Max(0, _searched - _start);
        (_start, _end) = (0, kept.Length);
    }
}
