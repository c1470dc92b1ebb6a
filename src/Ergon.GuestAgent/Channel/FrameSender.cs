using Ergon.MicroVm.Guest.Protocol;

namespace Ergon.GuestAgent.Channel;

/// <summary>Somebody who has frames for the host.</summary>
internal interface IFrameSource
{
    /// <summary>Writes the next frame; 0 when there is none.</summary>
    int Compose(Span<byte> frame);
}

/// <summary>Sends frames as the host takes them: answers first, then one of each source in turn.</summary>
/// <param name="write">Writes to the host without waiting; -1 when it would have to.</param>
internal sealed class FrameSender(FrameSender.Writer write)
{
    public delegate int Writer(ReadOnlySpan<byte> bytes);

    // What a virtio port takes in one write.
    private const int FrameBytes = 32 * 1024;

    private readonly Queue<ReadOnlyMemory<byte>> _answers = new();
    private readonly List<IFrameSource> _sources = [];
    private readonly byte[] _frame = new byte[FrameBytes];
    private ReadOnlyMemory<byte> _pending;
    private int _next;
    private bool _pumping;

    /// <summary>Whether the host has said hello on this connection; before, nothing is sent.</summary>
    public bool Open { get; private set; }

    public void Add(IFrameSource source)
    {
        _sources.Add(source);
        Pump();
    }

    public void Remove(IFrameSource source) => _sources.Remove(source);

    /// <summary>Sends a frame that is not kept: it is lost with the connection.</summary>
    public void Send(FrameType type, ReadOnlySpan<byte> payload)
    {
        if (!Open) return;
        var frame = new byte[GuestProtocol.HeaderBytes + payload.Length];
        FrameParser.WriteHeader(frame, type, payload.Length);
        payload.CopyTo(frame.AsSpan(GuestProtocol.HeaderBytes));
        _answers.Enqueue(frame);
        Pump();
    }

    /// <summary>Forgets what was about to be sent.</summary>
    /// <param name="open">Whether a new connection begins, or none.</param>
    public void Reset(bool open)
    {
        _answers.Clear();
        _pending = default;
        Open = open;
    }

    /// <summary>Sends as much as the host takes.</summary>
    public void Pump()
    {
        // A source that is asked for a frame may have one more by that.
        if (_pumping) return;
        _pumping = true;
        while (Open && (!_pending.IsEmpty || Take()))
        {
            var count = write(_pending.Span);
            if (count < 0) break;
            _pending = _pending[count..];
        }

        _pumping = false;
    }

    private bool Take()
    {
        if (_answers.TryDequeue(out _pending)) return true;
        for (var i = 0; i < _sources.Count; i++)
        {
            _next = (_next + 1) % _sources.Count;
            if (_sources[_next].Compose(_frame) is > 0 and var length)
            {
                _pending = _frame.AsMemory(0, length);
                return true;
            }
        }

        return false;
    }
}
