namespace Ergon.Images.Sources;

/// <summary>An OCI image layout (https://github.com/opencontainers/image-spec/blob/main/image-layout.md).</summary>
internal static class OciLayout
{
    private const string NameAnnotation = "org.opencontainers.image.ref.name";
    private const string WholeNameAnnotation = "io.containerd.image.name";

    /// <summary>Finds an image in the layout.</summary>
    /// <param name="files">The layout, which is owned by the result.</param>
    /// <param name="image">What messages call it.</param>
    /// <param name="tag">Which image; <see langword="null"/> when there can be only one for the platform.</param>
    /// <param name="platform">The platform that is wanted.</param>
    /// <param name="cancellationToken">Ends the reading.</param>
    public static async Task<ImageContent> OpenAsync(IImageFiles files, string image, string? tag, Platform platform, CancellationToken cancellationToken)
    {
        var json = await files.TryReadAsync("index.json", cancellationToken) ?? throw new InvalidDataException("It is not an OCI layout: it has no index.json.");
        var index = ImageJsonContext.Read(json, ImageJsonContext.Default.Manifest, "index.json");
        var manifests = (index.Manifests ?? []).Where(m => m is not null && (tag is null || IsNamed(m, tag))).ToList();
        var names = (index.Manifests ?? []).Select(m => NameOf(m)).OfType<string>().Distinct().Take(10).ToList();
        var known = names.Count > 0 ? $" It has {string.Join(", ", names)}." : "";
        if (manifests.Count == 0) throw new InvalidDataException($"It has no image{(tag is null ? "" : $" with the tag '{tag}'")}.{known}");
        if (tag is null && names.Count > 1) throw new InvalidDataException($"It has several images; say which one, as in oci:PATH:TAG.{known}");
        for (var depth = 0; depth < ManifestChoice.MaxDepth; depth++)
        {
            var chosen = ManifestChoice.Choose(manifests, platform, image);
            var bytes = await files.ReadBlobAsync(chosen.Digest ?? "", "The manifest", cancellationToken);
            var manifest = ImageJsonContext.Read(bytes, ImageJsonContext.Default.Manifest, "The manifest");
            if (!ManifestChoice.IsIndex(manifest)) return await OpenAsync(files, image, manifest, platform, cancellationToken);
            manifests = [.. manifest.Manifests!];
        }

        throw new InvalidDataException($"Its indexes lie more than {ManifestChoice.MaxDepth} deep in each other.");
    }

    private static async Task<ImageContent> OpenAsync(IImageFiles files, string image, Manifest manifest, Platform platform, CancellationToken cancellationToken)
    {
        var configuration = await files.ReadBlobAsync(manifest.Config!.Digest ?? "", "The image's configuration", cancellationToken);
        var layers = manifest.Layers!.Select(layer =>
        {
            var name = ImageFilesExtensions.BlobName(layer?.Digest, "a layer");
            return new LayerSource(layer!.Digest!, _ => new(files.TryOpen(name) ?? throw new InvalidDataException("It is missing in the layout.")));
        });
        var content = ImageContent.Create(configuration, [.. layers], files);
        content.Require(platform, image);
        return content;
    }

    private static string? NameOf(Descriptor? manifest) => manifest?.Annotations?.GetValueOrDefault(NameAnnotation);

    private static bool IsNamed(Descriptor manifest, string tag) => NameOf(manifest) == tag || manifest.Annotations?.GetValueOrDefault(WholeNameAnnotation) == tag;
}
