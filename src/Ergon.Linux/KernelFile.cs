using System.Buffers;
using System.Text;

namespace Ergon.Linux;

/// <summary>Reads small files of the kernel's, the length of which is known only when they have been read.</summary>
internal static class KernelFile
{
    private const int UsualBytes = 4096;

    /// <summary>The text of one, without a reader and its buffers: a start reads a dozen.</summary>
    /// <exception cref="IOException">It is not there, or cannot be read.</exception>
    public static string ReadText(string path)
    {
        using var file = File.OpenHandle(path);
        var buffer = ArrayPool<byte>.Shared.Rent(UsualBytes);
        try
        {
            var length = 0;
            while (RandomAccess.Read(file, buffer.AsSpan(length), length) is > 0 and var count)
            {
                length += count;
                if (length == buffer.Length) buffer = Grow(buffer);
            }

            return Encoding.UTF8.GetString(buffer, 0, length);
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(buffer);
        }
    }

    private static byte[] Grow(byte[] buffer)
    {
        var larger = ArrayPool<byte>.Shared.Rent(buffer.Length * 2);
        buffer.CopyTo(larger, 0);
        ArrayPool<byte>.Shared.Return(buffer);
        return larger;
    }
}
