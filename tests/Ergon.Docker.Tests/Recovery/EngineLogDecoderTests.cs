using System.Buffers;
using CsCheck;

namespace Ergon.Docker.Tests.Recovery;

/// <summary>The Engine's log gives back what the job wrote, whatever it was and however it arrives.</summary>
public sealed class EngineLogDecoderTests
{
    private const int PieceSize = 16 * 1024;
    private const string Stamp = "2026-01-02T03:04:05.123456789Z ";
    private const string ZonedStamp = "2026-01-02T03:04:05.123456789+02:00 ";

    // Lengths around the size of a piece, where the log is odd.
    private static readonly Gen<int> LineLength = Gen.OneOf(
        Gen.Int[0, 40], Gen.Int[PieceSize - 3, PieceSize + 3], Gen.Int[(2 * PieceSize) - 2, (2 * PieceSize) + 2], Gen.Int[PieceSize, 3 * PieceSize]);

    [Fact]
    public void What_the_job_wrote_comes_back_from_every_engine_however_it_is_cut() =>
        // An old Engine does not tell whether the very last line ended, if it is long: here it is short.
        Gen.Select(LineLength.Array[0, 6], Gen.Bool, Gen.Bool, Gen.Int[1, 100], Gen.Int[1, 20_000]).Sample((lengths, old, zoned, rest, cut) =>
        {
            byte[] written = [.. lengths.SelectMany((length, i) => Line(length, i).Append((byte)'\n')), .. Line(rest, 7)];
            Decode(Pieces(written, keepsNewlines: !old, zoned), cut).Should().Equal(written);
        }, iter: 300);

    [Fact]
    public void Any_bytes_come_back_from_an_engine_that_keeps_newlines() =>
        Gen.Select(Gen.Byte.Array[0, 60_000], Gen.Int[1, 40_000]).Sample(
            (written, cut) => Decode(Pieces(written, keepsNewlines: true, zoned: false), cut).AsSpan().SequenceEqual(written), iter: 100);

    [Fact]
    public void A_line_that_looks_like_a_stamp_is_the_jobs()
    {
        var written = System.Text.Encoding.ASCII.GetBytes($"{Stamp}{Stamp}\n{Stamp}\n{Stamp[..20]}\n{Stamp}");
        for (var cut = 1; cut < 80; cut++) Decode(Pieces(written, keepsNewlines: false, zoned: false), cut).Should().Equal(written);
    }

    [Fact]
    public void Whatever_arrives_never_fails() =>
        Gen.Byte.Array[0, 200].Array[0, 10].Sample(reads =>
        {
            var (decoder, output) = (new EngineLogDecoder(), new ArrayBufferWriter<byte>());
            foreach (var read in reads) decoder.Decode(read, output);
            decoder.Complete(output);
        });

    private static byte[] Line(int length, int seed) => [.. Enumerable.Range(0, length).Select(i => (byte)('a' + ((i + seed) % 26)))];

    // As the Engine cuts lines (daemon/logger/copier.go) and gives them back (daemon/logger/local/read.go).
    private static IEnumerable<byte[]> Pieces(byte[] written, bool keepsNewlines, bool zoned)
    {
        var stamp = System.Text.Encoding.ASCII.GetBytes(zoned ? ZonedStamp : Stamp);
        var start = 0;
        var continues = false;
        while (start < written.Length)
        {
            var end = Array.IndexOf(written, (byte)'\n', start, Math.Min(PieceSize, written.Length - start));
            if (end >= 0)
            {
                yield return [.. stamp, .. written[start..end], .. (byte[])(continues && !keepsNewlines ? [] : [(byte)'\n'])];
                (start, continues) = (end + 1, false);
            }
            else
            {
                end = Math.Min(start + PieceSize, written.Length);
                yield return [.. stamp, .. written[start..end]];
                (start, continues) = (end, true);
            }
        }
    }

    private static byte[] Decode(IEnumerable<byte[]> pieces, int cut)
    {
        var (decoder, output) = (new EngineLogDecoder(), new ArrayBufferWriter<byte>());
        foreach (var piece in pieces)
            foreach (var read in piece.Chunk(cut)) decoder.Decode(read, output);
        decoder.Complete(output);
        return output.WrittenSpan.ToArray();
    }
}
