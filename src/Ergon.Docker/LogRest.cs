using System.Buffers;
using Ergon.Drivers;

namespace Ergon.Docker;

/// <summary>A restart of the Engine under a running job.</summary>
/// <param name="At">When the connection broke, by the Engine's clock.</param>
/// <param name="Stdout">How much of stdout had been taken by then.</param>
/// <param name="Stderr">How much of stderr had been taken by then.</param>
internal readonly record struct LogGap(DateTimeOffset At, long Stdout, long Stderr);

/// <summary>
/// Writes what one stream of the Engine's log, read from its beginning, has beyond what has been taken before. What the log lacks around a
/// restart of the Engine is skipped where it was taken.
/// </summary>
internal sealed class LogRest(OutputStream stream, IOutputSink output, IReadOnlyList<LogGap> gaps)
{
    private readonly EngineLogDecoder _decoder = new();
    private readonly ArrayBufferWriter<byte> _decoded = new();
    private readonly long _taken = output.GetPosition(stream);
    private long _position;
    private int _gapsPassed;

    public async ValueTask WriteAsync(ReadOnlyMemory<byte> read, CancellationToken cancellationToken)
    {
        var start = _decoder.Decode(read.Span, _decoded);
        if (start is { } piece && _gapsPassed < gaps.Count)
        {
            await FlushAsync(0, piece.BytesBefore, cancellationToken);
            PassGaps(piece.At);
            await FlushAsync(piece.BytesBefore, _decoded.WrittenCount, cancellationToken);
        }
        else await FlushAsync(0, _decoded.WrittenCount, cancellationToken);

        _decoded.ResetWrittenCount();
    }

    public async ValueTask CompleteAsync(CancellationToken cancellationToken)
    {
        _decoder.Complete(_decoded);
        await FlushAsync(0, _decoded.WrittenCount, cancellationToken);
        _decoded.ResetWrittenCount();
    }

    private void PassGaps(DateTimeOffset at)
    {
        for (; _gapsPassed < gaps.Count && gaps[_gapsPassed].At <= at; _gapsPassed++)
        {
            var gap = gaps[_gapsPassed];
            _position = Math.Max(_position, stream == OutputStream.Stdout ? gap.Stdout : gap.Stderr);
        }
    }

    private async ValueTask FlushAsync(int from, int to, CancellationToken cancellationToken)
    {
        var begin = from + (int)Math.Clamp(_taken - _position, 0, to - from);
        _position += to - from;
        if (begin < to) await output.WriteAsync(stream, _decoded.WrittenMemory[begin..to], cancellationToken);
    }
}
