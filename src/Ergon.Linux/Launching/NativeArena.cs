using System.Runtime.InteropServices;
using System.Text;

namespace Ergon.Linux;

/// <summary>Native memory that is freed all at once.</summary>
internal sealed unsafe class NativeArena : IDisposable
{
    private readonly List<nint> _blocks = [];

    /// <summary>Allocates zeroed bytes.</summary>
    public nint Allocate(int bytes)
    {
        var block = (nint)NativeMemory.AllocZeroed((nuint)Math.Max(bytes, 1));
        _blocks.Add(block);
        return block;
    }

    /// <summary>Copies bytes.</summary>
    public nint Bytes(ReadOnlySpan<byte> bytes)
    {
        var block = Allocate(bytes.Length);
        bytes.CopyTo(new Span<byte>((void*)block, bytes.Length));
        return block;
    }

    /// <summary>Copies a text as UTF-8 with its closing NUL.</summary>
    public nint Text(string text)
    {
        var length = Encoding.UTF8.GetByteCount(text);
        var block = Allocate(length + 1);
        Encoding.UTF8.GetBytes(text, new Span<byte>((void*)block, length));
        return block;
    }

    /// <summary>Copies texts as an array of pointers that ends with a null pointer, as <c>argv</c> and <c>environ</c> do.</summary>
    public nint Texts(IReadOnlyCollection<string> texts)
    {
        var array = (nint*)Allocate((texts.Count + 1) * sizeof(nint));
        var i = 0;
        foreach (var text in texts) array[i++] = Text(text);
        return (nint)array;
    }

    public void Dispose()
    {
        foreach (var block in _blocks) NativeMemory.Free((void*)block);
        _blocks.Clear();
    }
}
