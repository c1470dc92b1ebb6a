using System.Text.Json.Serialization;

namespace Ergon.Images.Store;

/// <summary>What stands beside a block image.</summary>
internal sealed record StoredImage
{
    /// <summary>Counts the changes of how images are made; another number means that this one is made again.</summary>
    public const int CurrentFormat = 1;

    public int Format { get; init; }

    public string Digest { get; init; } = "";

    public ImageConfiguration Configuration { get; init; } = new();
}

/// <summary>What a name stood for when it was last asked for.</summary>
internal sealed record StoredReference
{
    public string Name { get; init; } = "";

    public string Digest { get; init; } = "";

    public DateTimeOffset At { get; init; }
}

/// <summary>How the store's own files are written.</summary>
[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.SnakeCaseLower, WriteIndented = true)]
[JsonSerializable(typeof(StoredImage))]
[JsonSerializable(typeof(StoredReference))]
internal sealed partial class StoreJsonContext : JsonSerializerContext;
