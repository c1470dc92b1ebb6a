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

/// <summary>What stands beside the directory of a layer: it is complete.</summary>
internal sealed record StoredLayer
{
    /// <summary>Counts the changes of how layers are unpacked; another number means that this one is unpacked again.</summary>
    public const int CurrentFormat = 1;

    public int Format { get; init; }

    public string DiffId { get; init; } = "";

    /// <summary>About how many bytes it takes on disk.</summary>
    public long Bytes { get; init; }
}

/// <summary>An image of layers.</summary>
internal sealed record StoredLayers
{
    public string Digest { get; init; } = "";

    public ImageConfiguration Configuration { get; init; } = new();

    /// <summary>The layers, the lowest first.</summary>
    public IReadOnlyList<string> DiffIds { get; init; } = [];
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
[JsonSerializable(typeof(StoredLayer))]
[JsonSerializable(typeof(StoredLayers))]
[JsonSerializable(typeof(StoredReference))]
internal sealed partial class StoreJsonContext : JsonSerializerContext;
