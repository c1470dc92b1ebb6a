using System.Text;

namespace Ergon.Conformance;

/// <summary>
/// Output of any size in which every lost, doubled or moved byte shows: numbered blocks (<c>0 </c>, <c>1 </c>, ...) of numbered lines.
/// A shell writes it at hundreds of megabytes a second.
/// </summary>
public static class Pattern
{
    internal const int FirstNumber = 10_000;
    internal const int LastNumber = 18_191;

    private static readonly byte[] Body = Encoding.ASCII.GetBytes(
        string.Concat(Enumerable.Range(FirstNumber, LastNumber - FirstNumber + 1).Select(n => $"{n}\n")));

    internal static long BlocksFor(long size) => (size / Body.Length) + 1;

    /// <summary>The blocks of the first bytes of the pattern, the last one cut.</summary>
    public static IEnumerable<ReadOnlyMemory<byte>> Blocks(long size)
    {
        for (var i = 0; size > 0; i++)
        {
            byte[] block = [.. Encoding.ASCII.GetBytes($"{i} "), .. Body];
            var length = (int)Math.Min(size, block.Length);
            yield return block.AsMemory(0, length);
            size -= length;
        }
    }

    /// <summary>Fails unless the stream consists of exactly the first bytes of the pattern.</summary>
    public static async Task VerifyAsync(Stream stream, long size, CancellationToken cancellationToken)
    {
        var buffer = new byte[Body.Length + 32];
        long position = 0;
        foreach (var block in Blocks(size))
        {
            var read = await stream.ReadAtLeastAsync(buffer.AsMemory(0, block.Length), block.Length, throwOnEndOfStream: false, cancellationToken);
            if (!buffer.AsSpan(0, read).SequenceEqual(block.Span))
            {
                var at = buffer.AsSpan(0, read).CommonPrefixLength(block.Span);
                Assert.Fail(at == read
                    ? $"The output ends after {position + read} of {size} bytes."
                    : $"The output differs from the pattern at byte {position + at} of {size}.");
            }

            position += read;
        }

        Assert.Equal(0, await stream.ReadAsync(buffer, cancellationToken));
    }
}
