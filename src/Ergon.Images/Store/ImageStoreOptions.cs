namespace Ergon.Images.Store;

/// <summary>Where images are kept, and how they are had.</summary>
internal sealed record ImageStoreOptions
{
    /// <summary>The directory; it is created. Several processes may share it.</summary>
    public required string Directory { get; init; }

    /// <summary>Whether images are kept as directories, one for each layer, instead of as block images.</summary>
    public bool AsLayers { get; init; }

    /// <summary>How large the directory may grow. Images in use are never removed, so that it may be larger for a while.</summary>
    public long MaxBytes { get; init; } = 20L << 30;

    /// <summary>Credentials of registries, by host name; they win over those of the Docker client's own file.</summary>
    public IReadOnlyDictionary<string, RegistryCredential> Credentials { get; init; } = new Dictionary<string, RegistryCredential>();

    /// <summary>The Docker client's own directory. <see langword="null"/>: <c>DOCKER_CONFIG</c>, else <c>~/.docker</c>.</summary>
    public string? ConfigDirectory { get; init; }

    /// <summary>The Docker Engine that is asked first, as <c>unix:///path</c>. <see langword="null"/>: <c>DOCKER_HOST</c>, else the usual socket.</summary>
    public Uri? DockerHost { get; init; }

    /// <summary>Registries (<c>host[:port]</c>) that are spoken to without TLS. Those on loopback always are.</summary>
    public IReadOnlyCollection<string> InsecureRegistries { get; init; } = [];

    /// <summary>How large an image may be, unpacked.</summary>
    public long MaxImageBytes { get; init; } = 64L << 30;
}
