using System.Formats.Tar;
using System.Security.Cryptography;
using System.Text;

namespace Ergon.Runc.Tests;

/// <summary>Images as <c>docker save</c> writes them, made of what this system has.</summary>
internal static class TestImages
{
    private const string Program = "/bin/busybox";

    /// <summary>Why there are none; <see langword="null"/>: there are.</summary>
    public static string? Missing => System.IO.File.Exists(Program) ? null : "Debian's busybox-static is not installed.";

    /// <summary>Writes an image with busybox.</summary>
    public static void WriteBusybox(string path)
    {
        using var layer = new MemoryStream();
        using (var tar = new TarWriter(layer, TarEntryFormat.Pax, leaveOpen: true))
        {
            foreach (var name in (string[])["bin/", "etc/", "home/", "root/", "var/"]) tar.WriteEntry(Directory(name));
            tar.WriteEntry(new PaxTarEntry(TarEntryType.Directory, "tmp/") { Mode = (UnixFileMode)0x3FF });
            tar.WriteEntry(File("bin/busybox", System.IO.File.ReadAllBytes(Program), 0x1ED));
            foreach (var applet in Applets()) tar.WriteEntry(new PaxTarEntry(TarEntryType.SymbolicLink, "bin/" + applet) { LinkName = "busybox" });
            tar.WriteEntry(File("etc/passwd", "root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/home:/bin/false\n"u8.ToArray(), 0x1A4));
            tar.WriteEntry(File("etc/group", "root:x:0:\ndaemon:x:1:nobody\nnobody:x:65534:\n"u8.ToArray(), 0x1A4));
        }

        Write(path, "busybox:latest", [layer.ToArray()], """{"Cmd":["sh"],"Env":["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"]}""");
    }

    /// <summary>Writes an image of layers.</summary>
    public static void Write(string path, string name, IReadOnlyList<byte[]> layers, string config)
    {
        var digests = layers.Select(l => Convert.ToHexStringLower(SHA256.HashData(l))).ToList();
        var diffIds = string.Join(',', digests.Select(d => $"\"sha256:{d}\""));
        var configuration = Encoding.UTF8.GetBytes(
            $$$"""{"architecture":"amd64","os":"linux","config":{{{config}}},"rootfs":{"type":"layers","diff_ids":[{{{diffIds}}}]}}""");
        var id = Convert.ToHexStringLower(SHA256.HashData(configuration));
        var manifest = $$"""[{"Config":"{{id}}.json","RepoTags":["{{name}}"],"Layers":[{{string.Join(',', digests.Select(d => $"\"{d}/layer.tar\""))}}]}]""";
        using var file = System.IO.File.Create(path);
        using var tar = new TarWriter(file, TarEntryFormat.Pax);
        tar.WriteEntry(File(id + ".json", configuration, 0x1A4));
        for (var i = 0; i < layers.Count; i++) tar.WriteEntry(File($"{digests[i]}/layer.tar", layers[i], 0x1A4));
        tar.WriteEntry(File("manifest.json", Encoding.UTF8.GetBytes(manifest), 0x1A4));
    }

    public static PaxTarEntry File(string name, byte[] content, int mode) =>
        new(TarEntryType.RegularFile, name) { Mode = (UnixFileMode)mode, DataStream = new MemoryStream(content) };

    public static PaxTarEntry Directory(string name) => new(TarEntryType.Directory, name) { Mode = (UnixFileMode)0x1ED };

    private static string[] Applets()
    {
        using var process = System.Diagnostics.Process.Start(new System.Diagnostics.ProcessStartInfo(Program, "--list") { UseShellExecute = false, RedirectStandardOutput = true })!;
        var names = process.StandardOutput.ReadToEnd().Split('\n', StringSplitOptions.RemoveEmptyEntries);
        process.WaitForExit();
        return [.. names.Where(n => n != "busybox")];
    }
}
