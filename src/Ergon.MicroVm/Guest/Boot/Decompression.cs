using System.Buffers.Binary;
using System.IO.Compression;
using CliWrap;
using CliWrap.Buffered;

namespace Ergon.MicroVm.Guest.Boot;

/// <summary>Unpacks what kernels and their modules are packed with; never more than a kernel can be.</summary>
internal static class Decompression
{
    /// <summary>The most bytes that anything here may have unpacked.</summary>
    public const int MaxBytes = 512 * 1024 * 1024;

    private static readonly TimeSpan CommandTime = TimeSpan.FromMinutes(1);

    /// <summary>Reads a file, unpacked as its name says.</summary>
    public static async Task<ReadOnlyMemory<byte>> ReadAsync(string file, CancellationToken cancellationToken)
    {
        var bytes = await File.ReadAllBytesAsync(file, cancellationToken);
        return Path.GetExtension(file) switch
        {
            ".gz" => Gzip(bytes),
            ".xz" => await XzAsync(bytes, cancellationToken),
            ".zst" => Zstandard(bytes),
            _ => bytes,
        };
    }

    public static ReadOnlyMemory<byte> Gzip(ReadOnlyMemory<byte> packed)
    {
        using var stream = new GZipStream(new MemoryStream(packed.ToArray(), writable: false), CompressionMode.Decompress);
        return ReadBounded(stream);
    }

    public static ReadOnlyMemory<byte> Zstandard(ReadOnlyMemory<byte> packed)
    {
        using var stream = new ZstdSharp.DecompressionStream(new MemoryStream(packed.ToArray(), writable: false));
        return ReadBounded(stream);
    }

    /// <summary>Unpacks by the program <c>xz</c>: there is no such library.</summary>
    public static async Task<ReadOnlyMemory<byte>> XzAsync(ReadOnlyMemory<byte> packed, CancellationToken cancellationToken)
    {
        using var output = new MemoryStream();
        using var deadline = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        deadline.CancelAfter(CommandTime);
        try
        {
            // Bytes after the end, such as the length that follows a kernel, are no error of ours.
            var result = await Cli.Wrap("xz").WithArguments(["--decompress", "--stdout", "--single-stream", $"--memlimit={MaxBytes}"])
                .WithStandardInputPipe(PipeSource.FromBytes(packed)).WithStandardOutputPipe(PipeTarget.ToStream(output))
                .WithValidation(CommandResultValidation.None).ExecuteBufferedAsync(deadline.Token);
            if (output.Length > 0) return output.ToArray();
            throw new InvalidDataException($"xz could not unpack it: {result.StandardError.Trim()}");
        }
        catch (System.ComponentModel.Win32Exception e)
        {
            throw new InvalidDataException("It is packed with xz, and the program xz is not here; install the package xz-utils.", e);
        }
    }

    /// <summary>Unpacks the old form of LZ4 that kernels use: blocks of 8 MiB, each after its packed length.</summary>
    public static ReadOnlyMemory<byte> Lz4Legacy(ReadOnlySpan<byte> packed)
    {
        const int MagicBytes = 4;
        const int BlockBytes = 8 * 1024 * 1024;
        var output = new MemoryStream();
        var block = new byte[BlockBytes];
        for (packed = packed[MagicBytes..]; packed.Length >= MagicBytes;)
        {
            var length = BinaryPrimitives.ReadUInt32LittleEndian(packed);
            packed = packed[MagicBytes..];
            if (length == 0) break;
            if (length > packed.Length) throw new InvalidDataException($"An LZ4 block of {length} bytes is cut off after {packed.Length}.");
            output.Write(block, 0, Lz4Block.Unpack(packed[..(int)length], block));
            packed = packed[(int)length..];
            if (output.Length > MaxBytes) throw new InvalidDataException("It is larger than a kernel can be.");
        }

        return output.ToArray();
    }

    private static ReadOnlyMemory<byte> ReadBounded(Stream stream)
    {
        var output = new MemoryStream();
        var buffer = new byte[128 * 1024];
        while (stream.Read(buffer) is > 0 and var count)
        {
            output.Write(buffer, 0, count);
            if (output.Length > MaxBytes) throw new InvalidDataException("It is larger than a kernel can be.");
        }

        return output.ToArray();
    }
}
