using System.Formats.Tar;
using System.Text.Json;
using System.Text.Json.Nodes;

namespace Ergon.Images.Tests;

/// <summary>An image that a test makes, in every form in which images come.</summary>
internal sealed class TestImage(params Layer[] layers)
{
    private const string ManifestType = "application/vnd.oci.image.manifest.v1+json";
    public const string IndexType = "application/vnd.oci.image.index.v1+json";

    public string Os { get; init; } = "linux";

    public string Architecture { get; init; } = Platform.Host.Architecture;

    public string? Variant { get; init; }

    public JsonObject Run { get; init; } = [];

    public byte[] Configuration => JsonSerializer.SerializeToUtf8Bytes(new JsonObject
    {
        ["os"] = Os,
        ["architecture"] = Architecture,
        ["variant"] = Variant,
        ["config"] = Run.DeepClone(),
        ["rootfs"] = new JsonObject { ["type"] = "layers", ["diff_ids"] = new JsonArray([.. layers.Select(l => (JsonNode)ContentDigest.Of(l.Tar()))]) },
    });

    public string Digest => ContentDigest.Of(Configuration);

    public IReadOnlyList<byte[]> LayerBlobs => [.. layers.Select(l => l.Blob())];

    public byte[] Manifest => JsonSerializer.SerializeToUtf8Bytes(new JsonObject
    {
        ["schemaVersion"] = 2,
        ["mediaType"] = ManifestType,
        ["config"] = Describe("application/vnd.oci.image.config.v1+json", Configuration),
        ["layers"] = new JsonArray([.. layers.Select(l => (JsonNode)Describe("application/vnd.oci.image.layer.v1.tar" + l.MediaTypeSuffix, l.Blob()))]),
    });

    /// <summary>What points to its manifest in an index.</summary>
    public JsonObject Descriptor(string? tag = null, bool withPlatform = true)
    {
        var descriptor = Describe(ManifestType, Manifest);
        if (withPlatform) descriptor["platform"] = new JsonObject { ["os"] = Os, ["architecture"] = Architecture, ["variant"] = Variant };
        if (tag is not null) descriptor["annotations"] = new JsonObject { ["org.opencontainers.image.ref.name"] = tag };
        return descriptor;
    }

    public static byte[] Index(params JsonObject[] manifests) => JsonSerializer.SerializeToUtf8Bytes(new JsonObject
    {
        ["schemaVersion"] = 2,
        ["mediaType"] = IndexType,
        ["manifests"] = new JsonArray([.. manifests]),
    });

    public static JsonObject Describe(string type, byte[] content) => new() { ["mediaType"] = type, ["digest"] = ContentDigest.Of(content), ["size"] = content.Length };

    /// <summary>Writes what <c>docker save</c> would.</summary>
    public string SaveTo(string path, params string[] tags)
    {
        SaveAll(path, (this, tags));
        return path;
    }

    public static void SaveAll(string path, params (TestImage Image, string[] Tags)[] images)
    {
        using var writer = new TarWriter(System.IO.File.Create(path));
        var manifest = new JsonArray();
        foreach (var (image, tags) in images)
        {
            var blobs = image.LayerBlobs;
            Write(writer, ContentDigest.Hex(image.Digest) + ".json", image.Configuration);
            for (var i = 0; i < blobs.Count; i++) Write(writer, $"{ContentDigest.Hex(image.Digest)}/{i}/layer.tar", blobs[i]);
            manifest.Add(new JsonObject
            {
                ["Config"] = ContentDigest.Hex(image.Digest) + ".json",
                ["RepoTags"] = new JsonArray([.. tags.Select(t => (JsonNode)t)]),
                ["Layers"] = new JsonArray([.. blobs.Select((_, i) => (JsonNode)$"{ContentDigest.Hex(image.Digest)}/{i}/layer.tar")]),
            });
        }

        Write(writer, "manifest.json", JsonSerializer.SerializeToUtf8Bytes(manifest));
    }

    /// <summary>Writes an OCI layout; its index is the given one, or names this image alone.</summary>
    public string LayOut(string directory, byte[]? index = null)
    {
        var blobs = System.IO.Directory.CreateDirectory(Path.Combine(directory, "blobs", "sha256")).FullName;
        System.IO.File.WriteAllText(Path.Combine(directory, "oci-layout"), """{"imageLayoutVersion":"1.0.0"}""");
        System.IO.File.WriteAllBytes(Path.Combine(directory, "index.json"), index ?? Index(Descriptor("latest")));
        foreach (var blob in LayerBlobs.Append(Configuration).Append(Manifest)) System.IO.File.WriteAllBytes(Path.Combine(blobs, ContentDigest.Hex(ContentDigest.Of(blob))), blob);
        return directory;
    }

    private static void Write(TarWriter writer, string name, byte[] content) =>
        writer.WriteEntry(new UstarTarEntry(TarEntryType.RegularFile, name) { DataStream = new MemoryStream(content) });
}
