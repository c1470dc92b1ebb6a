namespace Ergon.Images.Sources;

/// <summary>What <c>docker save</c> writes: <c>manifest.json</c>, which names the configuration and the layers of each image.</summary>
internal static class DockerArchive
{
    private const string ManifestName = "manifest.json";

    /// <summary>Finds an image in the archive.</summary>
    /// <param name="files">The archive, which is owned by the result.</param>
    /// <param name="reference">Which image; <see langword="null"/> when there can be only one.</param>
    /// <param name="platform">The platform that is wanted.</param>
    /// <param name="cancellationToken">Ends the reading.</param>
    public static async Task<ImageContent> OpenAsync(IImageFiles files, ImageReference? reference, Platform platform, CancellationToken cancellationToken)
    {
        var json = await files.TryReadAsync(ManifestName, cancellationToken)
            ?? throw new InvalidDataException($"It is not an archive that 'docker save' wrote: it has no {ManifestName}. (For an OCI layout, write oci-archive:PATH.)");
        var images = ImageJsonContext.Read(json, ImageJsonContext.Default.IReadOnlyListSavedImage, ManifestName);
        var candidates = images.Where(i => i is not null && (reference is null || i.RepoTags?.Any(t => IsTag(t, reference)) == true)).ToList();
        if (candidates.Count == 0) throw Unavailable(files, $"it does not have {reference?.ToString() ?? "any image"}{TagsOf(images)}");
        List<(SavedImage Image, byte[] Configuration)> suiting = [];
        List<Platform> others = [];
        foreach (var image in candidates)
        {
            var configuration = await files.TryReadAsync(image.Config ?? "", cancellationToken) ?? throw new InvalidDataException($"The image's configuration ({image.Config}) is missing in it.");
            var document = ImageJsonContext.Read(configuration, ImageJsonContext.Default.ConfigurationDocument, "The image's configuration");
            if (Platform.From(document.Os, document.Architecture, document.Variant) is { } its && platform.Suits(its) == 0) others.Add(its);
            else suiting.Add((image, configuration));
        }

        if (suiting.Count == 0) throw Unavailable(files, $"it has no image for {platform}, but for {string.Join(", ", others)}. Ask for one of these");
        if (suiting.Count > 1 && reference is null) throw Unavailable(files, $"it has several images; say which one, as in docker-archive:PATH:REFERENCE{TagsOf(images)}");
        var (chosen, chosenConfiguration) = suiting[0];
        return ImageContent.Create(chosenConfiguration, [.. (chosen.Layers ?? []).Select(l => Layer(files, l))], files);
    }

    private static LayerSource Layer(IImageFiles files, string name) => new(
        name,
        _ => new(files.TryOpen(name) ?? throw new InvalidDataException("It is missing in the archive.")));

    private static bool IsTag(string tag, ImageReference reference) => ImageReference.TryParse(tag, out var its) && its.ToString() == reference.ToString();

    private static string TagsOf(IReadOnlyList<SavedImage> images)
    {
        var tags = images.Where(i => i is not null).SelectMany(i => i.RepoTags ?? []).Take(10).ToList();
        return tags.Count == 0 ? "" : $". It has {string.Join(", ", tags)}";
    }

    private static ExecutorException Unavailable(IImageFiles files, string why) => new(ErrorCode.ImageUnavailable, $"The archive {files.Path} cannot be used: {why}.");
}
