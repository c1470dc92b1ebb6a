namespace Ergon.Images.Sources;

/// <summary>Chooses of an index the manifest for a platform.</summary>
internal static class ManifestChoice
{
    /// <summary>How deep an index may lie in an index.</summary>
    public const int MaxDepth = 4;

    /// <summary>The best manifest for the platform. One that names no platform suits every one, but any that does is better.</summary>
    /// <exception cref="ExecutorException">There is none; the message says which platforms there are.</exception>
    public static Descriptor Choose(IReadOnlyList<Descriptor> manifests, Platform platform, string image)
    {
        var rated = manifests.Where(m => m is not null).Select(m => (Manifest: m, Rating: Rate(m, platform))).Where(r => r.Rating > 0).ToList();
        if (rated.Count > 0) return rated.MaxBy(r => r.Rating).Manifest;
        var others = manifests.Select(m => PlatformOf(m)).OfType<Platform>().Where(p => p.Os != "unknown").Select(p => p.ToString()).Distinct().Take(20).ToList();
        throw new ExecutorException(
            ErrorCode.ImageUnavailable,
            $"The image '{image}' has no variant for {platform}{(others.Count > 0 ? $", but for {string.Join(", ", others)}" : "")}. Ask for a platform that it has, or for another tag.");
    }

    /// <summary>Whether the content is an index, and not the manifest of an image.</summary>
    /// <exception cref="InvalidDataException">It is neither.</exception>
    public static bool IsIndex(Manifest manifest) => manifest switch
    {
        { Manifests: not null } => true,
        { Config: not null, Layers: not null } => false,
        { SchemaVersion: 1 } => throw new InvalidDataException("Its manifest has the schema 1, which registries gave up in 2019. Push it again with a current program."),
        _ => throw new InvalidDataException("Its manifest is neither that of an image nor an index."),
    };

    private static int Rate(Descriptor manifest, Platform platform)
    {
        // Attestations lie beside the images that they are about.
        if (manifest.Annotations?.ContainsKey("vnd.docker.reference.type") == true) return 0;
        return PlatformOf(manifest) is { } its ? platform.Suits(its) : 1;
    }

    private static Platform? PlatformOf(Descriptor? manifest) => Platform.From(manifest?.Platform?.Os, manifest?.Platform?.Architecture, manifest?.Platform?.Variant);
}
