using System.Text;
using Microsoft.Win32.SafeHandles;

namespace Ergon.GuestAgent.Job;

/// <summary>Writes a pax archive (POSIX.1-2001): names, targets and sizes that the old header cannot hold go into a header of their own.</summary>
internal sealed class TarWriter(Func<ReadOnlyMemory<byte>, ValueTask> write)
{
    private const int BlockBytes = 512;
    private const int NameBytes = 100;
    private const long MaxOctalSize = 0x1_ffff_ffff; // eleven octal digits
    private const int MaxOctalId = 0x1f_ffff; // seven

    private static readonly byte[] Zeros = new byte[2 * BlockBytes];

    private readonly byte[] _block = new byte[BlockBytes];
    private readonly byte[] _content = new byte[64 * 1024];

    /// <summary>Writes the header of a directory, a link or a file.</summary>
    public ValueTask WriteHeaderAsync(FileStatus status, string name, string target) => status switch
    {
        { IsDirectory: true } => WriteAsync(status, name, "", '5', 0),
        { IsLink: true } => WriteAsync(status, name, target, '2', 0),
        _ => WriteAsync(status, name, "", '0', status.Size),
    };

    public ValueTask WriteHardLinkAsync(FileStatus status, string name, string target) => WriteAsync(status, name, target, '1', 0);

    /// <summary>Writes exactly so many bytes of a file; what has gone meanwhile is zeros.</summary>
    public async ValueTask WriteContentAsync(SafeFileHandle file, long size)
    {
        for (long offset = 0; offset < size;)
        {
            var wanted = (int)Math.Min(_content.Length, size - offset);
            var count = RandomAccess.Read(file, _content.AsSpan(0, wanted), offset);
            if (count == 0)
            {
                _content.AsSpan(0, wanted).Clear();
                count = wanted;
            }

            await write(_content.AsMemory(0, count));
            offset += count;
        }

        await PadAsync(size);
    }

    public ValueTask EndAsync() => write(Zeros);

    private async ValueTask WriteAsync(FileStatus status, string name, string target, char kind, long size)
    {
        var pax = new StringBuilder();
        if (Encoding.UTF8.GetByteCount(name) > NameBytes || !Ascii.IsValid(name)) Append(pax, "path", name);
        if (Encoding.UTF8.GetByteCount(target) > NameBytes || !Ascii.IsValid(target)) Append(pax, "linkpath", target);
        if (size > MaxOctalSize) Append(pax, "size", $"{size}");
        if (status.Uid > MaxOctalId) Append(pax, "uid", $"{status.Uid}");
        if (status.Gid > MaxOctalId) Append(pax, "gid", $"{status.Gid}");
        if (pax.Length > 0)
        {
            var content = Encoding.UTF8.GetBytes(pax.ToString());
            FillBlock(status, "pax", "", 'x', content.Length);
            await write(_block);
            await write(content);
            await PadAsync(content.Length);
        }

        FillBlock(status, name, target, kind, size);
        await write(_block);
    }

    private ValueTask PadAsync(long size) => size % BlockBytes == 0 ? default : write(Zeros.AsMemory(0, (int)(BlockBytes - (size % BlockBytes))));

    // "length key=value\n", where the length counts its own digits.
    private static void Append(StringBuilder pax, string key, string value)
    {
        var rest = Encoding.UTF8.GetByteCount(value) + key.Length + 3;
        var length = rest + $"{rest}".Length;
        if ($"{length}".Length > $"{rest}".Length) length++;
        pax.Append($"{length} {key}={value}\n");
    }

    private void FillBlock(FileStatus status, string name, string target, char kind, long size)
    {
        var block = _block.AsSpan();
        block.Clear();
        Put(block[..NameBytes], name);
        Octal(block.Slice(100, 8), status.Mode & 0xfff);
        Octal(block.Slice(108, 8), Math.Min(status.Uid, MaxOctalId));
        Octal(block.Slice(116, 8), Math.Min(status.Gid, MaxOctalId));
        Octal(block.Slice(124, 12), Math.Min(size, MaxOctalSize));
        Octal(block.Slice(136, 12), Math.Clamp(status.ModifiedSeconds, 0, MaxOctalSize));
        block[156] = (byte)kind;
        Put(block.Slice(157, NameBytes), target);
        "ustar\000"u8.CopyTo(block[257..]);
        block.Slice(148, 8).Fill((byte)' ');
        var sum = 0;
        foreach (var value in block) sum += value;
        Octal(block.Slice(148, 7), sum);
    }

    private static void Put(Span<byte> field, string text)
    {
        var bytes = Encoding.UTF8.GetBytes(text);
        bytes.AsSpan(0, Math.Min(bytes.Length, field.Length)).CopyTo(field);
    }

    private static void Octal(Span<byte> field, long value)
    {
        for (var i = field.Length - 2; i >= 0; i--, value >>= 3) field[i] = (byte)('0' + (value & 7));
        field[^1] = 0;
    }
}
