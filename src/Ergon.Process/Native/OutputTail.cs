using System.Text;

namespace Ergon.Process.Native;

/// <summary>Keeps the last bytes of a stream.</summary>
internal sealed class OutputTail
{
    private const int KeptBytes = 4096;

    private readonly byte[] _kept = new byte[KeptBytes];
    private int _count;

    /// <summary>Reads to the end.</summary>
    public async Task ReadAsync(Stream stream, CancellationToken cancellationToken)
    {
        var buffer = new byte[KeptBytes];
        while (await stream.ReadAsync(buffer, cancellationToken) is > 0 and var count) Append(buffer.AsSpan(0, count));
    }

    /// <summary>The kept bytes as text.</summary>
    public override string ToString() => Encoding.UTF8.GetString(_kept, 0, _count).Trim();

    internal void Append(ReadOnlySpan<byte> bytes)
    {
        if (bytes.Length > KeptBytes) bytes = bytes[^KeptBytes..];
        var surplus = Math.Max(0, _count + bytes.Length - KeptBytes);
        _kept.AsSpan(surplus, _count - surplus).CopyTo(_kept);
        _count -= surplus;
        bytes.CopyTo(_kept.AsSpan(_count));
        _count += bytes.Length;
    }
}
