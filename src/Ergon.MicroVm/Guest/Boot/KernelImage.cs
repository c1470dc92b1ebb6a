using System.Buffers.Binary;
using System.Runtime.InteropServices;
using System.Security.Cryptography;
using System.Text;

namespace Ergon.MicroVm.Guest.Boot;

/// <summary>A kernel as an ELF file, which a VMM starts faster than a packed one, or at all.</summary>
/// <param name="Path">The ELF file.</param>
/// <param name="Release">The kernel's release, such as <c>6.1.0-56-cloud-amd64</c>; empty when it cannot be read.</param>
/// <param name="Architecture">What it runs on.</param>
internal sealed record KernelImage(string Path, string Release, Architecture Architecture)
{
    private const int MaxFileBytes = 512 * 1024 * 1024;
    private const int HeaderOffset = 0x1f1;
    private const int LengthBytes = 4; // the unpacked length, which follows the payload

    private static ReadOnlySpan<byte> ElfMagic => "\x7f"u8;

    /// <summary>Opens a kernel, which is unpacked into the cache when it is a bzImage.</summary>
    /// <exception cref="InvalidDataException">It is no kernel that can be started; the message says why.</exception>
    public static async Task<KernelImage> OpenAsync(string file, string cacheDirectory, CancellationToken cancellationToken)
    {
        var length = new FileInfo(file).Length;
        if (length is < 1024 or > MaxFileBytes) throw new InvalidDataException($"{file} has {length} bytes; that is no Linux kernel.");
        var bytes = await File.ReadAllBytesAsync(file, cancellationToken);
        if (IsElf(bytes)) return new KernelImage(file, ReleaseOfElf(bytes), ArchitectureOf(bytes, file));
        if (!bytes.AsSpan(0x202, 4).SequenceEqual("HdrS"u8)) throw new InvalidDataException($"{file} is neither an ELF kernel (vmlinux) nor a bzImage (vmlinuz){Guess(bytes)}.");
        var target = System.IO.Path.Combine(cacheDirectory, $"vmlinux-{Convert.ToHexStringLower(SHA256.HashData(bytes))[..32]}");
        if (!File.Exists(target)) await UnpackAsync(bytes, file, target, cancellationToken);
        return new KernelImage(target, ReleaseOfImage(bytes), Architecture.X64);
    }

    private static async Task UnpackAsync(byte[] image, string file, string target, CancellationToken cancellationToken)
    {
        ReadOnlyMemory<byte> kernel;
        try
        {
            kernel = await UnpackAsync(Payload(image), cancellationToken);
        }
        catch (Exception e) when (e is InvalidDataException or IOException)
        {
            throw new InvalidDataException($"The kernel {file} cannot be unpacked: {e.Message}", e);
        }

        if (!IsElf(kernel.Span)) throw new InvalidDataException($"The kernel {file} does not have an ELF file inside.");
        Directory.CreateDirectory(System.IO.Path.GetDirectoryName(target)!);
        // Others may do the same at the same time: each its own file, and the last rename wins over equals.
        var temporary = $"{target}.{Guid.NewGuid():n}";
        try
        {
            await File.WriteAllBytesAsync(temporary, kernel, cancellationToken);
            File.Move(temporary, target, overwrite: true);
        }
        finally
        {
            File.Delete(temporary);
        }
    }

    // The boot protocol (Documentation/arch/x86/boot.rst): setup_sects at 0x1f1, payload_offset at 0x248, payload_length at 0x24c.
    private static ReadOnlyMemory<byte> Payload(byte[] image)
    {
        var sectors = image[HeaderOffset] == 0 ? 4 : image[HeaderOffset];
        if (BinaryPrimitives.ReadUInt16LittleEndian(image.AsSpan(0x206)) < 0x208) throw new InvalidDataException("It is older than any kernel that can be started here (boot protocol below 2.08).");
        long start = ((sectors + 1) * 512L) + BinaryPrimitives.ReadUInt32LittleEndian(image.AsSpan(0x248));
        long length = BinaryPrimitives.ReadUInt32LittleEndian(image.AsSpan(0x24c));
        if (length <= LengthBytes || start + length > image.Length) throw new InvalidDataException("It is cut off.");
        return image.AsMemory((int)start, (int)length);
    }

    private static async Task<ReadOnlyMemory<byte>> UnpackAsync(ReadOnlyMemory<byte> payload, CancellationToken cancellationToken)
    {
        var packed = payload[..^LengthBytes];
        return BinaryPrimitives.ReadUInt32BigEndian(payload.Span) switch
        {
            0x02214c18 => Decompression.Lz4Legacy(packed.Span),
            0x28b52ffd => Decompression.Zstandard(packed),
            0xfd377a58 => await Decompression.XzAsync(packed, cancellationToken),
            var magic when magic >> 16 == 0x1f8b => Decompression.Gzip(packed),
            0x7f454c46 => payload,
            var magic => throw new InvalidDataException($"it is packed in a way that is not known here (0x{magic:x8}); lz4, zstd, gzip and xz are."),
        };
    }

    private static bool IsElf(ReadOnlySpan<byte> bytes) => bytes.Length > 64 && bytes[0] == ElfMagic[0] && bytes[1..4].SequenceEqual("ELF"u8);

    private static Architecture ArchitectureOf(ReadOnlySpan<byte> elf, string file) => BinaryPrimitives.ReadUInt16LittleEndian(elf[18..]) switch
    {
        62 when elf[4] == 2 => Architecture.X64,
        183 => Architecture.Arm64,
        var machine => throw new InvalidDataException($"{file} is a kernel for another kind of machine (ELF machine {machine}); x86-64 and arm64 can be started."),
    };

    private static string ReleaseOfImage(byte[] image)
    {
        var offset = BinaryPrimitives.ReadUInt16LittleEndian(image.AsSpan(0x20e)) + 0x200;
        return offset > 0x200 && offset < image.Length ? FirstWord(image.AsSpan(offset)) : "";
    }

    private static string ReleaseOfElf(ReadOnlySpan<byte> elf)
    {
        var banner = "Linux version "u8;
        for (var at = elf.IndexOf(banner); at >= 0; at = elf.IndexOf(banner))
        {
            elf = elf[(at + banner.Length)..];
            if (elf.Length > 0 && char.IsAsciiDigit((char)elf[0])) return FirstWord(elf);
        }

        return "";
    }

    private static string FirstWord(ReadOnlySpan<byte> text)
    {
        var end = text.IndexOfAny((byte)' ', (byte)0);
        return end is > 0 and < 256 ? Encoding.ASCII.GetString(text[..end]) : "";
    }

    private static string Guess(ReadOnlySpan<byte> bytes) => bytes switch
    {
        [0x1f, 0x8b, ..] => "; it is packed with gzip: unpack it first",
        [(byte)'M', (byte)'Z', ..] => "; it may be an EFI program or a kernel of another architecture",
        _ => "",
    };
}
