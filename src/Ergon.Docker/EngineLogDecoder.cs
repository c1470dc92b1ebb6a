using System.Buffers;
using System.Globalization;
using System.Runtime.InteropServices;

namespace Ergon.Docker;

/// <summary>
/// Turns one stream of the Engine's log back into the bytes that the job wrote. The log keeps lines, and lines of 16 KiB and more in
/// pieces; older Engines do not give back the newline after the last piece. Asked for with timestamps, each piece begins with one,
/// which tells a newline that got lost from a line that goes on.
/// </summary>
internal sealed class EngineLogDecoder
{
    private const int PieceSize = 16 * 1024;

    // d is a digit; the zone is Z or an offset.
    private static readonly string[] Stamps = ["dddd-dd-ddTdd:dd:dd.dddddddddZ ", "dddd-dd-ddTdd:dd:dd.ddddddddd+dd:dd ", "dddd-dd-ddTdd:dd:dd.ddddddddd-dd:dd "];

    private readonly List<byte> _held = [];
    private bool _inPiece;
    private bool _afterFullPiece;
    private int _length;

    /// <summary>Decodes what one read gave, which never reaches from one piece into the next.</summary>
    /// <returns>The piece that begins with it; <see langword="null"/> when none does.</returns>
    public PieceStart? Decode(ReadOnlySpan<byte> read, IBufferWriter<byte> output)
    {
        // In the first piece of a line, only a newline or a full piece is an end, so that nothing the job writes is taken for a stamp.
        if (!_inPiece || _afterFullPiece || _held.Count > 0)
        {
            _held.AddRange(read);
            var stamp = StampLength(_held);
            if (stamp is null) return null;
            PieceStart? start = null;
            if (stamp > 0)
            {
                start = new PieceStart(TimeOf(CollectionsMarshal.AsSpan(_held)[..stamp.Value]), _inPiece ? 1 : 0);
                if (_inPiece)
                {
                    output.Write("\n"u8);
                    _afterFullPiece = false;
                }

                _length = 0;
            }

            _inPiece = true;
            byte[] text = [.. _held.Skip(stamp.Value)];
            _held.Clear();
            Append(text, output);
            return start;
        }

        Append(read, output);
        return null;
    }

    /// <summary>Ends the stream: what looked like the beginning of a stamp was the job's.</summary>
    public void Complete(IBufferWriter<byte> output)
    {
        output.Write(_held.ToArray());
        _held.Clear();
    }

    private void Append(ReadOnlySpan<byte> text, IBufferWriter<byte> output)
    {
        if (text.IsEmpty) return;
        output.Write(text);
        _length += text.Length;
        var full = _length == PieceSize && text[^1] != '\n';
        if (!full && text[^1] != '\n') return;
        _inPiece = false;
        _afterFullPiece = full;
    }

    // What only looks like a time belongs to no time.
    private static DateTimeOffset TimeOf(ReadOnlySpan<byte> stamp)
    {
        Span<char> text = stackalloc char[stamp.Length];
        for (var i = 0; i < stamp.Length; i++) text[i] = (char)stamp[i];
        return DateTimeOffset.TryParse(text.TrimEnd(), CultureInfo.InvariantCulture, DateTimeStyles.AssumeUniversal, out var time) ? time : default;
    }

    // 0: not a stamp; null: it may become one.
    private static int? StampLength(List<byte> bytes)
    {
        foreach (var stamp in Stamps)
        {
            var count = Math.Min(bytes.Count, stamp.Length);
            var matches = true;
            for (var i = 0; i < count && matches; i++) matches = stamp[i] == 'd' ? char.IsAsciiDigit((char)bytes[i]) : stamp[i] == bytes[i];
            if (matches) return bytes.Count >= stamp.Length ? stamp.Length : null;
        }

        return 0;
    }
}

/// <summary>Where a piece of the Engine's log begins.</summary>
/// <param name="At">When the Engine took it, by the Engine's clock.</param>
/// <param name="BytesBefore">How many of the bytes decoded with it still belong to the piece before.</param>
internal readonly record struct PieceStart(DateTimeOffset At, int BytesBefore);
