using System.Text;

namespace Ergon.Process.Native;

/// <summary>Keeps the last bytes of what is written, from any thread.</summary>
internal sealed class OutputTail
{
    /// <summary>How many bytes are kept.</summary>
    public const int KeptBytes = 4096;

    private readonly Lock _lock = new();
    private readonly byte[] _kept = new byte[KeptBytes];
    private int _count;

    public void Append(ReadOnlySpan<byte> bytes)
    {
        if (bytes.Length > KeptBytes) bytes = bytes[^KeptBytes..];
        lock (_lock)
        {
            var surplus = Math.Max(0, _count + bytes.Length - KeptBytes);
            _kept.AsSpan(surplus, _count - surplus).CopyTo(_kept);
            _count -= surplus;
            bytes.CopyTo(_kept.AsSpan(_count));
            _count += bytes.Length;
        }
    }

    /// <summary>The kept bytes as text.</summary>
    public override string ToString()
    {
        lock (_lock) return Encoding.UTF8.GetString(_kept, 0, _count).Trim();
    }
}
