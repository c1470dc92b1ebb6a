using System.IO.Compression;
using System.Text;
using CliWrap;

using CsCheck;
using Ergon.GuestAgent.Tests.Guests;
using Ergon.MicroVm.Guest.Boot;

namespace Ergon.GuestAgent.Tests;

public sealed class BootTests
{
    private static CancellationToken Token => TestContext.Current.CancellationToken;

    private static void NeedKernel() => Assert.SkipWhen(TestKernel.File is null, "ERGON_TEST_KERNEL does not name a kernel; scripts/guest-kernel fetches one.");

    private static string NewDirectory() => Directory.CreateDirectory(Path.Combine(TestKernel.WorkDirectory, Guid.NewGuid().ToString("n")[..8])).FullName;

    [Fact]
    public async Task An_initramfs_is_read_by_cpio_and_always_the_same()
    {
        Assert.SkipUnless(TestKernel.OnPath("busybox"), "busybox is not installed.");
        KernelModule[] early = [new("virtio", "one"u8.ToArray())];
        KernelModule[] late = [new("squashfs", "three"u8.ToArray())];
        using var first = new MemoryStream();
        using var second = new MemoryStream();
        Initramfs.Write(first, "agent"u8, early, late, []);
        Initramfs.Write(second, "agent"u8, early, late, []);
        second.ToArray().Should().Equal(first.ToArray());
        var directory = NewDirectory();
        await Cli.Wrap("busybox").WithArguments(["cpio", "-i", "-d"]).WithWorkingDirectory(directory).WithStandardInputPipe(PipeSource.FromBytes(first.ToArray())).ExecuteAsync(Token);
        (await File.ReadAllTextAsync(Path.Combine(directory, "init"), Token)).Should().Be("agent");
        (await File.ReadAllTextAsync(Path.Combine(directory, "modules/early"), Token)).Should().Be("/modules/virtio.ko\n");
        (await File.ReadAllTextAsync(Path.Combine(directory, "modules/squashfs.ko"), Token)).Should().Be("three");
        File.GetUnixFileMode(Path.Combine(directory, "init")).Should().HaveFlag(UnixFileMode.UserExecute);
    }

    [Fact]
    public async Task Modules_are_loaded_after_what_they_need_and_what_is_built_in_is_left_out()
    {
        var tree = NewDirectory();
        await WriteModuleAsync(tree, "kernel/a-one.ko", "depends=b_two,c_three");
        await WriteModuleAsync(tree, "kernel/b-two.ko.gz", "depends=d_four", "softdep=pre: e-five");
        await WriteModuleAsync(tree, "kernel/d_four.ko", "depends=");
        await WriteModuleAsync(tree, "kernel/e-five.ko", "depends=");
        await File.WriteAllTextAsync(Path.Combine(tree, "modules.builtin"), "kernel/c-three.ko\n", Token);
        var modules = KernelModules.Open(tree);
        var order = await modules.ResolveAsync(["a_one", "c_three", "missing"], [], Token);
        order.Select(m => m.Name).Should().Equal("e_five", "d_four", "b_two", "a_one");
        (await modules.ResolveAsync(["a-one"], order.Take(2).ToArray(), Token)).Select(m => m.Name).Should().Equal("b_two", "a_one");
        (modules.Has("c-three"), modules.IsBuiltIn("c_three"), modules.Has("missing")).Should().Be((true, true, false));
    }

    private static async Task WriteModuleAsync(string tree, string name, params string[] information)
    {
        var file = Path.Combine(tree, name);
        Directory.CreateDirectory(Path.GetDirectoryName(file)!);
        var content = Encoding.ASCII.GetBytes("\u007fELF\0" + string.Concat(information.Select(i => i + "\0")));
        await using Stream stream = file.EndsWith(".gz", StringComparison.Ordinal) ? new GZipStream(File.Create(file), CompressionLevel.Fastest) : File.Create(file);
        await stream.WriteAsync(content, Token);
    }

    [Fact]
    public async Task A_distributions_modules_are_found_in_its_tree()
    {
        NeedKernel();
        var modules = KernelModules.Open(TestKernel.ModuleDirectory);
        var early = await modules.ResolveAsync(BootModules.QemuMicroVm.Early, [], Token);
        early.Select(m => m.Name).Should().Contain(["virtio_mmio", "virtio_console"]);
        early.Should().AllSatisfy(m => m.Content.Span[..4].SequenceEqual("\u007fELF"u8).Should().BeTrue());
    }

    [Fact]
    public async Task A_distributions_kernel_is_unpacked_once()
    {
        NeedKernel();
        var cache = NewDirectory();
        var kernel = await KernelImage.OpenAsync(TestKernel.File!, cache, Token);
        kernel.Release.Should().Be(Path.GetFileName(TestKernel.File!)["vmlinuz-".Length..]);
        var written = File.GetLastWriteTimeUtc(kernel.Path);
        (await KernelImage.OpenAsync(TestKernel.File!, cache, Token)).Should().Be(kernel);
        File.GetLastWriteTimeUtc(kernel.Path).Should().Be(written);
        Directory.GetFiles(cache).Should().ContainSingle();
        var unpacked = await KernelImage.OpenAsync(kernel.Path, cache, Token);
        (unpacked.Path, unpacked.Release, unpacked.Architecture).Should().Be((kernel.Path, kernel.Release, kernel.Architecture));
    }

    [Theory]
    [InlineData("gzip")]
    [InlineData("zstd")]
    [InlineData("xz")]
    [InlineData("lz4")]
    [InlineData("none")]
    public async Task A_packed_kernel_is_unpacked_however_it_is_packed(string kind)
    {
        var elf = new byte[9_000_000];
        new Random(3).NextBytes(elf.AsSpan(0, 100_000));
        "\u007fELF\u0002\u0001\u0001"u8.CopyTo(elf);
        elf[18] = 62;
        var packed = await PackAsync(kind, elf);
        Assert.SkipWhen(packed is null, $"{kind} is not installed.");
        var directory = NewDirectory();
        var file = Path.Combine(directory, "vmlinuz");
        await File.WriteAllBytesAsync(file, MakeImage(packed), Token);
        var kernel = await KernelImage.OpenAsync(file, directory, Token);
        kernel.Release.Should().Be("9.9.9-test");
        // The length behind the payload belongs to it when nothing is packed.
        (await File.ReadAllBytesAsync(kernel.Path, Token)).AsSpan(0, elf.Length).SequenceEqual(elf).Should().BeTrue();
    }

    private static async Task<byte[]?> PackAsync(string kind, byte[] elf)
    {
        using var output = new MemoryStream();
        switch (kind)
        {
            case "none":
                return elf;
            case "gzip":
                await using (var gzip = new GZipStream(output, CompressionLevel.Fastest, leaveOpen: true)) await gzip.WriteAsync(elf, Token);
                return output.ToArray();
            case "zstd":
                await using (var zstd = new ZstdSharp.CompressionStream(output, 1, leaveOpen: true)) await zstd.WriteAsync(elf, Token);
                return output.ToArray();
            default:
                if (!TestKernel.OnPath(kind)) return null;
                await Cli.Wrap(kind).WithArguments(kind == "lz4" ? ["-l", "-c", "-"] : ["-c"]).WithStandardInputPipe(PipeSource.FromBytes(elf)).WithStandardOutputPipe(PipeTarget.ToStream(output)).ExecuteAsync(Token);
                return output.ToArray();
        }
    }

    // A bzImage with one sector of setup, as the boot protocol describes it.
    private static byte[] MakeImage(byte[] payload)
    {
        const int Start = 1024;
        var image = new byte[Start + payload.Length + 4];
        image[0x1f1] = 1;
        "HdrS"u8.CopyTo(image.AsSpan(0x202));
        BitConverter.TryWriteBytes(image.AsSpan(0x206), (ushort)0x20f);
        BitConverter.TryWriteBytes(image.AsSpan(0x20e), (ushort)0x180);
        "9.9.9-test (somebody)"u8.CopyTo(image.AsSpan(0x380));
        BitConverter.TryWriteBytes(image.AsSpan(0x24c), payload.Length + 4);
        payload.CopyTo(image, Start);
        return image;
    }

    [Theory]
    [InlineData("hello", "no Linux kernel")]
    [InlineData("MZ", "neither an ELF kernel")]
    [InlineData("\u007fELF\u0001", "another kind of machine")]
    public async Task What_is_no_kernel_is_refused_with_the_reason(string begin, string reason)
    {
        var file = Path.Combine(NewDirectory(), "file");
        var content = new byte[begin == "hello" ? 100 : 5000];
        Encoding.ASCII.GetBytes(begin).CopyTo(content, 0);
        await File.WriteAllBytesAsync(file, content, Token);
        var open = () => KernelImage.OpenAsync(file, NewDirectory(), Token);
        (await open.Should().ThrowAsync<InvalidDataException>()).WithMessage($"*{reason}*");
    }

    [Fact]
    public void A_damaged_block_of_lz4_never_leaves_its_bounds() =>
        Gen.Byte.Array[0, 200].Sample(
            packed =>
            {
                var output = new byte[300];
                try
                {
                    Lz4Block.Unpack(packed, output).Should().BeInRange(0, output.Length);
                }
                catch (InvalidDataException)
                {
                    // That is the one that may.
                }
            },
            iter: 200_000);
}
