using System.Formats.Tar;
using System.Security.Cryptography;
using System.Text;

namespace Ergon.Runc.Tests;

/// <summary>Images as <c>docker save</c> writes them, made of what this system has.</summary>
internal static class TestImages
{
    private const string Program = "/bin/busybox";

    /// <summary>Why there are none; <see langword="null"/>: there are.</summary>
    public static string? Missing => File.Exists(Program) ? null : "Debian's busybox-static is not installed.";

    private const string Configuration = """{"Cmd":["sh"],"Env":["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"]}""";

    private static readonly Lazy<byte[]> BusyboxLayer = new(() => Layer(
    [
        .. ((string[])["bin/", "etc/", "home/", "root/", "var/"]).Select(DirectoryEntry),
        new PaxTarEntry(TarEntryType.Directory, "tmp/") { Mode = (UnixFileMode)0x3FF },
        FileEntry("bin/busybox", File.ReadAllBytes(Program), 0x1ED),
        .. Applets().Select(applet => Link("bin/" + applet, "busybox")),
        FileEntry("etc/passwd", "root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/home:/bin/false\n"u8.ToArray(), 0x1A4),
        FileEntry("etc/group", "root:x:0:\ndaemon:x:1:nobody\nnobody:x:65534:\n"u8.ToArray(), 0x1A4),
    ]));

    /// <summary>Writes an image with busybox, and layers above it.</summary>
    public static void WriteBusybox(string path, params byte[][] layers) => Write(path, "busybox:latest", [BusyboxLayer.Value, .. layers], Configuration);

    /// <summary>Writes an image with busybox that says something about how it is run.</summary>
    public static void WriteBusybox(string path, string configuration) => Write(path, "busybox:latest", [BusyboxLayer.Value], configuration);

    /// <summary>Puts the files of busybox into a directory.</summary>
    public static void ExtractBusybox(string directory)
    {
        using var layer = new MemoryStream(BusyboxLayer.Value);
        TarFile.ExtractToDirectory(layer, directory, overwriteFiles: false);
    }

    /// <summary>Writes an OCI layout of the image with busybox.</summary>
    public static void LayOutBusybox(string directory)
    {
        var blobs = Directory.CreateDirectory(Path.Combine(directory, "blobs", "sha256")).FullName;
        string Put(byte[] blob)
        {
            var digest = Convert.ToHexStringLower(SHA256.HashData(blob));
            File.WriteAllBytes(Path.Combine(blobs, digest), blob);
            return $"\"digest\":\"sha256:{digest}\",\"size\":{blob.Length}";
        }

        var layer = Put(BusyboxLayer.Value);
        var config = Put(Describe([BusyboxLayer.Value], Configuration));
        var manifest = Put(Encoding.UTF8.GetBytes(
            $$"""{"schemaVersion":2,"config":{"mediaType":"application/vnd.oci.image.config.v1+json",{{config}}},"layers":[{"mediaType":"application/vnd.oci.image.layer.v1.tar",{{layer}}}]}"""));
        File.WriteAllText(Path.Combine(directory, "oci-layout"), """{"imageLayoutVersion":"1.0.0"}""");
        File.WriteAllText(Path.Combine(directory, "index.json"), $$"""{"schemaVersion":2,"manifests":[{"mediaType":"application/vnd.oci.image.manifest.v1+json",{{manifest}}}]}""");
    }

    /// <summary>A layer with some entries.</summary>
    public static byte[] Layer(params IEnumerable<TarEntry> entries)
    {
        using var layer = new MemoryStream();
        using (var tar = new TarWriter(layer, TarEntryFormat.Pax, leaveOpen: true))
            foreach (var entry in entries) tar.WriteEntry(entry);
        return layer.ToArray();
    }

    /// <summary>Writes an image of layers.</summary>
    public static void Write(string path, string name, IReadOnlyList<byte[]> layers, string config)
    {
        var digests = layers.Select(l => Convert.ToHexStringLower(SHA256.HashData(l))).ToList();
        var configuration = Describe(layers, config);
        var id = Convert.ToHexStringLower(SHA256.HashData(configuration));
        var manifest = $$"""[{"Config":"{{id}}.json","RepoTags":["{{name}}"],"Layers":[{{string.Join(',', digests.Select(d => $"\"{d}/layer.tar\""))}}]}]""";
        using var file = File.Create(path);
        using var tar = new TarWriter(file, TarEntryFormat.Pax);
        tar.WriteEntry(FileEntry(id + ".json", configuration, 0x1A4));
        foreach (var (digest, layer) in digests.Zip(layers).DistinctBy(l => l.First)) tar.WriteEntry(FileEntry($"{digest}/layer.tar", layer, 0x1A4));
        tar.WriteEntry(FileEntry("manifest.json", Encoding.UTF8.GetBytes(manifest), 0x1A4));
    }

    public static PaxTarEntry FileEntry(string name, byte[] content, int mode) =>
        new(TarEntryType.RegularFile, name) { Mode = (UnixFileMode)mode, DataStream = new MemoryStream(content) };

    public static PaxTarEntry Link(string name, string target) => new(TarEntryType.SymbolicLink, name) { LinkName = target };

    public static PaxTarEntry Text(string name, string content) => FileEntry(name, Encoding.UTF8.GetBytes(content), 0x1A4);

    public static PaxTarEntry DirectoryEntry(string name) => new(TarEntryType.Directory, name) { Mode = (UnixFileMode)0x1ED };

    private static byte[] Describe(IReadOnlyList<byte[]> layers, string config)
    {
        var diffIds = string.Join(',', layers.Select(l => $"\"sha256:{Convert.ToHexStringLower(SHA256.HashData(l))}\""));
        return Encoding.UTF8.GetBytes($$$"""{"architecture":"amd64","os":"linux","config":{{{config}}},"rootfs":{"type":"layers","diff_ids":[{{{diffIds}}}]}}""");
    }

    private static string[] Applets()
    {
        using var process = System.Diagnostics.Process.Start(new System.Diagnostics.ProcessStartInfo(Program, "--list") { UseShellExecute = false, RedirectStandardOutput = true })!;
        var names = process.StandardOutput.ReadToEnd().Split('\n', StringSplitOptions.RemoveEmptyEntries);
        process.WaitForExit();
        return [.. names.Where(n => n != "busybox")];
    }
}
