using Ergon.Images.Layers;
using Ergon.Images.Store;

namespace Ergon.Images.Sources;

/// <summary>An image that was found: what it says, and its layers, which are read only when they are needed.</summary>
internal sealed class ImageContent : IAsyncDisposable
{
    private readonly IAsyncDisposable? _owned;

    private ImageContent(string digest, ImageConfiguration configuration, IReadOnlyList<ImageLayer> layers, IAsyncDisposable? owned, Func<Action<PrepareProgress>, CancellationToken, Task> fetch) =>
        (Digest, Configuration, Layers, _owned, FetchAsync) = (digest, configuration, layers, owned, fetch);

    /// <summary>The digest of the configuration: it names the content of every layer, so that it is the same wherever the image comes from.</summary>
    public string Digest { get; }

    public ImageConfiguration Configuration { get; }

    public IReadOnlyList<ImageLayer> Layers { get; }

    /// <summary>Brings the layers here, with progress, where they are elsewhere.</summary>
    public Func<Action<PrepareProgress>, CancellationToken, Task> FetchAsync { get; }

    /// <summary>Puts together what a source has found.</summary>
    /// <param name="configuration">The bytes of the configuration.</param>
    /// <param name="layers">How to open the layers, from the lowest.</param>
    /// <param name="owned">What the layers need for as long as they are used.</param>
    /// <param name="fetch">Brings the layers here; <see langword="null"/> when they are here.</param>
    /// <exception cref="InvalidDataException">The configuration is not that of an image with these layers.</exception>
    public static ImageContent Create(
        ReadOnlyMemory<byte> configuration, IReadOnlyList<LayerSource> layers, IAsyncDisposable? owned = null, Func<Action<PrepareProgress>, CancellationToken, Task>? fetch = null)
    {
        var document = ImageJsonContext.Read(configuration.Span, ImageJsonContext.Default.ConfigurationDocument, "The image's configuration");
        if (document.Root?.DiffIds is not { } diffs) throw new InvalidDataException("It is not the image of a container: its configuration names no layers.");
        if (diffs.Count != layers.Count) throw new InvalidDataException($"Its configuration names {diffs.Count} layers, and its manifest {layers.Count}.");
        var run = document.Config ?? new RunDocument();
        var result = new ImageConfiguration
        {
            Entrypoint = run.Entrypoint ?? [],
            Cmd = run.Cmd ?? [],
            Env = run.Env ?? [],
            User = run.User ?? "",
            WorkingDir = run.WorkingDir ?? "",
            StopSignal = run.StopSignal,
            ExposedPorts = [.. run.ExposedPorts?.Keys ?? Enumerable.Empty<string>()],
            Labels = run.Labels ?? [],
            Platform = Platform.From(document.Os, document.Architecture, document.Variant)?.ToString() ?? "",
        };
        var all = layers.Select((l, i) => new ImageLayer(l.Name, ContentDigest.Require(diffs[i], "a layer"), l.OpenAsync)).ToList();
        return new ImageContent(ContentDigest.Of(configuration.Span), result, all, owned, fetch ?? (static (_, _) => Task.CompletedTask));
    }

    /// <summary>Refuses an image that says that it is for another platform; its index may have said nothing.</summary>
    public void Require(Platform platform, string image)
    {
        if (Platform.TryParse(Configuration.Platform, out var its) && platform.Suits(its) == 0)
            throw new ExecutorException(ErrorCode.ImageUnavailable, $"The image '{image}' has no variant for {platform}, but for {its}. Ask for a platform that it has, or for another tag.");
    }

    public ValueTask DisposeAsync() => _owned?.DisposeAsync() ?? ValueTask.CompletedTask;
}

/// <summary>A layer as its source has it.</summary>
internal readonly record struct LayerSource(string Name, Func<CancellationToken, ValueTask<Stream>> OpenAsync);
