using System.Formats.Tar;
using System.Security.Cryptography;
using System.Text;
using CliWrap;
using CliWrap.Buffered;

namespace Ergon.MicroVm.Tests.Guests;

/// <summary>An image with nothing but busybox in it, as <c>docker save</c> would write it.</summary>
internal static class BusyboxImage
{
    private const UnixFileMode Executable = (UnixFileMode)0b111_101_101;

    /// <summary>Writes the archive and returns the name of the image in it.</summary>
    public static async Task<string> WriteAsync(string file)
    {
        var layer = await LayerAsync();
        var digest = Convert.ToHexStringLower(SHA256.HashData(layer));
        var configuration = Encoding.UTF8.GetBytes(
            $$"""{"architecture":"amd64","os":"linux","config":{"Env":["PATH=/bin"],"Cmd":["sh"]},"rootfs":{"type":"layers","diff_ids":["sha256:{{digest}}"] } }""");
        var name = Convert.ToHexStringLower(SHA256.HashData(configuration)) + ".json";
        var manifest = Encoding.UTF8.GetBytes($$"""[{"Config":"{{name}}","RepoTags":["busybox:latest"],"Layers":["{{digest}}/layer.tar"]}]""");
        await using var tar = new TarWriter(File.Create(file), TarEntryFormat.Pax);
        await AddAsync(tar, name, configuration);
        await AddAsync(tar, $"{digest}/layer.tar", layer);
        await AddAsync(tar, "manifest.json", manifest);
        return $"docker-archive:{file}";
    }

    private static async Task<byte[]> LayerAsync()
    {
        using var content = new MemoryStream();
        await using (var tar = new TarWriter(content, TarEntryFormat.Pax, leaveOpen: true))
        {
            foreach (var directory in new[] { "bin", "etc", "root", "home", "var" })
                await tar.WriteEntryAsync(new PaxTarEntry(TarEntryType.Directory, directory) { Mode = Executable });
            await tar.WriteEntryAsync(new PaxTarEntry(TarEntryType.Directory, "tmp") { Mode = (UnixFileMode)0b1_111_111_111 });
            await AddAsync(tar, "bin/busybox", await File.ReadAllBytesAsync("/usr/bin/busybox"), Executable);
            var applets = await Cli.Wrap("/usr/bin/busybox").WithArguments("--list").ExecuteBufferedAsync();
            foreach (var applet in applets.StandardOutput.Split('\n', StringSplitOptions.RemoveEmptyEntries).Where(a => a != "busybox"))
                await tar.WriteEntryAsync(new PaxTarEntry(TarEntryType.SymbolicLink, $"bin/{applet}") { LinkName = "busybox" });
            await AddAsync(tar, "etc/passwd", "root:x:0:0:root:/root:/bin/sh\nguest:x:1000:1000:guest:/home:/bin/sh\n"u8.ToArray());
            await AddAsync(tar, "etc/group", "root:x:0:\nguest:x:1000:\n"u8.ToArray());
        }

        return content.ToArray();
    }

    private static async Task AddAsync(TarWriter tar, string name, byte[] content, UnixFileMode mode = (UnixFileMode)0b110_100_100) =>
        await tar.WriteEntryAsync(new PaxTarEntry(TarEntryType.RegularFile, name) { Mode = mode, DataStream = new MemoryStream(content) });
}
