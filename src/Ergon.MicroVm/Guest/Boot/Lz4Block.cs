namespace Ergon.MicroVm.Guest.Boot;

/// <summary>Unpacks a block of LZ4: literals and references to what came before, each within the bounds of what there is.</summary>
internal static class Lz4Block
{
    private const int MinMatch = 4;
    private const int MoreFollows = 15;

    /// <summary>Unpacks a block and returns its length.</summary>
    /// <exception cref="InvalidDataException">It is damaged, or larger than the output.</exception>
    public static int Unpack(ReadOnlySpan<byte> packed, Span<byte> output)
    {
        var (from, to) = (0, 0);
        while (from < packed.Length)
        {
            int token = packed[from++];
            var literals = Length(packed, ref from, token >> 4);
            if (literals > packed.Length - from || literals > output.Length - to) throw Damaged();
            packed.Slice(from, literals).CopyTo(output[to..]);
            (from, to) = (from + literals, to + literals);
            if (from == packed.Length) return to;
            if (packed.Length - from < 2) throw Damaged();
            var distance = packed[from] | (packed[from + 1] << 8);
            from += 2;
            var match = Length(packed, ref from, token & MoreFollows) + MinMatch;
            if (distance == 0 || distance > to || match > output.Length - to) throw Damaged();
            Repeat(output, to, distance, match);
            to += match;
        }

        return to;
    }

    private static int Length(ReadOnlySpan<byte> packed, ref int from, int length)
    {
        if (length != MoreFollows) return length;
        byte next;
        do
        {
            if (from == packed.Length || length > Decompression.MaxBytes) throw Damaged();
            next = packed[from++];
            length += next;
        }
        while (next == byte.MaxValue);
        return length;
    }

    // A reference may reach into what it writes itself: then it repeats.
    private static void Repeat(Span<byte> output, int to, int distance, int count)
    {
        if (distance >= count)
        {
            output.Slice(to - distance, count).CopyTo(output[to..]);
            return;
        }

        for (var i = 0; i < count; i++) output[to + i] = output[to + i - distance];
    }

    private static InvalidDataException Damaged() => new("An LZ4 block is damaged.");
}
