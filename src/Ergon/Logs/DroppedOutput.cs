using System.Buffers.Binary;
using Microsoft.Win32.SafeHandles;

namespace Ergon.Logs;

/// <summary>
/// How many bytes of each stream were taken and not kept, in a file, so that a later process can go on counting. The file is made with
/// the first of them.
/// </summary>
internal sealed class DroppedOutput(string path) : IDisposable
{
    private const int Size = 2 * sizeof(long);

    private readonly long[] _counts = new long[3];
    private SafeFileHandle? _file;

    public long this[OutputStream stream] => _counts[(int)stream];

    /// <summary>Reads what a former process counted.</summary>
    public void Load()
    {
        if (!File.Exists(path)) return;
        var bytes = File.ReadAllBytes(path);
        if (bytes.Length != Size) return;
        _counts[(int)OutputStream.Stdout] = BinaryPrimitives.ReadInt64LittleEndian(bytes);
        _counts[(int)OutputStream.Stderr] = BinaryPrimitives.ReadInt64LittleEndian(bytes.AsSpan(sizeof(long)));
    }

    /// <summary>Counts further bytes. On a full disk they are counted in memory alone.</summary>
    public void Add(OutputStream stream, int count)
    {
        _counts[(int)stream] += count;
        Span<byte> bytes = stackalloc byte[Size];
        BinaryPrimitives.WriteInt64LittleEndian(bytes, _counts[(int)OutputStream.Stdout]);
        BinaryPrimitives.WriteInt64LittleEndian(bytes[sizeof(long)..], _counts[(int)OutputStream.Stderr]);
        try
        {
            _file ??= File.OpenHandle(path, FileMode.OpenOrCreate, FileAccess.Write, FileShare.ReadWrite | FileShare.Delete);
            RandomAccess.Write(_file, bytes, 0);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            // The job must not hang because of it.
        }
    }

    public void Dispose()
    {
        _file?.Dispose();
        _file = null;
    }
}
