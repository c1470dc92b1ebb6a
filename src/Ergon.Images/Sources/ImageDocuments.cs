using System.Text.Json;
using System.Text.Json.Serialization;

namespace Ergon.Images.Sources;

// The documents of https://github.com/opencontainers/image-spec and of Docker before it. Everything may be missing: others wrote them.

/// <summary>A pointer to content.</summary>
internal sealed record Descriptor
{
    [JsonPropertyName("mediaType")]
    public string? MediaType { get; init; }

    [JsonPropertyName("digest")]
    public string? Digest { get; init; }

    [JsonPropertyName("size")]
    public long Size { get; init; }

    [JsonPropertyName("platform")]
    public DescribedPlatform? Platform { get; init; }

    [JsonPropertyName("annotations")]
    public Dictionary<string, string>? Annotations { get; init; }
}

/// <summary>A platform as documents write it.</summary>
internal sealed record DescribedPlatform
{
    [JsonPropertyName("os")]
    public string? Os { get; init; }

    [JsonPropertyName("architecture")]
    public string? Architecture { get; init; }

    [JsonPropertyName("variant")]
    public string? Variant { get; init; }
}

/// <summary>A manifest, or an index of manifests: which one it is, its fields say.</summary>
internal sealed record Manifest
{
    [JsonPropertyName("schemaVersion")]
    public int SchemaVersion { get; init; }

    [JsonPropertyName("mediaType")]
    public string? MediaType { get; init; }

    [JsonPropertyName("config")]
    public Descriptor? Config { get; init; }

    [JsonPropertyName("layers")]
    public IReadOnlyList<Descriptor>? Layers { get; init; }

    [JsonPropertyName("manifests")]
    public IReadOnlyList<Descriptor>? Manifests { get; init; }
}

/// <summary>An image's configuration: its platform, how it is run, and its layers.</summary>
internal sealed record ConfigurationDocument
{
    [JsonPropertyName("os")]
    public string? Os { get; init; }

    [JsonPropertyName("architecture")]
    public string? Architecture { get; init; }

    [JsonPropertyName("variant")]
    public string? Variant { get; init; }

    [JsonPropertyName("config")]
    public RunDocument? Config { get; init; }

    [JsonPropertyName("rootfs")]
    public RootDocument? Root { get; init; }
}

/// <summary>How an image is run.</summary>
internal sealed record RunDocument
{
    public IReadOnlyList<string>? Entrypoint { get; init; }

    public IReadOnlyList<string>? Cmd { get; init; }

    public IReadOnlyList<string>? Env { get; init; }

    public string? User { get; init; }

    public string? WorkingDir { get; init; }

    public string? StopSignal { get; init; }

    public Dictionary<string, JsonElement>? ExposedPorts { get; init; }

    public Dictionary<string, string>? Labels { get; init; }
}

/// <summary>The layers of an image.</summary>
internal sealed record RootDocument
{
    [JsonPropertyName("type")]
    public string? Type { get; init; }

    [JsonPropertyName("diff_ids")]
    public IReadOnlyList<string>? DiffIds { get; init; }
}

/// <summary>An image in <c>manifest.json</c> of an archive that <c>docker save</c> wrote.</summary>
internal sealed record SavedImage
{
    public string? Config { get; init; }

    public IReadOnlyList<string>? RepoTags { get; init; }

    public IReadOnlyList<string>? Layers { get; init; }
}

/// <summary>How the documents are read.</summary>
[JsonSourceGenerationOptions(PropertyNameCaseInsensitive = false)]
[JsonSerializable(typeof(Manifest))]
[JsonSerializable(typeof(ConfigurationDocument))]
[JsonSerializable(typeof(IReadOnlyList<SavedImage>))]
internal sealed partial class ImageJsonContext : JsonSerializerContext
{
    /// <summary>Reads a document.</summary>
    /// <exception cref="InvalidDataException">It cannot be read as such.</exception>
    public static T Read<T>(ReadOnlySpan<byte> json, System.Text.Json.Serialization.Metadata.JsonTypeInfo<T> type, string what)
        where T : class
    {
        try
        {
            return JsonSerializer.Deserialize(json, type) ?? throw new InvalidDataException($"{what} is empty.");
        }
        catch (Exception e) when (e is JsonException or InvalidOperationException)
        {
            throw new InvalidDataException($"{what} cannot be read: {e.Message}", e);
        }
    }
}
