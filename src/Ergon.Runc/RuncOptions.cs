namespace Ergon.Runc;

/// <summary>The settings of the runc driver.</summary>
public sealed record RuncOptions
{
    /// <summary>The OCI runtime, by name or path.</summary>
    public string Runtime { get; init; } = "runc";

    /// <summary>
    /// Where the layers of images are kept. <see langword="null"/>: <c>/var/cache/ergon</c> for root, <c>$XDG_CACHE_HOME/ergon</c> or
    /// <c>~/.cache/ergon</c> for others. Several executors may share it.
    /// </summary>
    public string? CacheDirectory { get; init; }

    /// <summary>The most bytes of layers that are kept; those in use are never removed.</summary>
    public long CacheBytes { get; init; } = 20L << 30;

    /// <summary>The Docker Engine that is asked first for an image, as <c>unix:///path</c>. <see langword="null"/>: <c>DOCKER_HOST</c>, else the usual socket.</summary>
    public Uri? DockerHost { get; init; }

    /// <summary>Credentials of registries, by host name such as <c>ghcr.io</c>; they win over those of the Docker client's own file.</summary>
    public IReadOnlyDictionary<string, RegistryCredential> RegistryCredentials { get; init; } = new Dictionary<string, RegistryCredential>();

    /// <summary>The Docker client's own directory. <see langword="null"/>: <c>DOCKER_CONFIG</c>, else <c>~/.docker</c>.</summary>
    public string? ConfigDirectory { get; init; }

    /// <summary>What requests may loosen.</summary>
    public RuncPolicy Policy { get; init; } = new();
}

/// <summary>What an operator lets requests loosen. Nothing, unless it is said here.</summary>
public sealed record RuncPolicy
{
    /// <summary>The capabilities that <c>cap_add</c> may ask for, such as <c>NET_BIND_SERVICE</c>; <c>ALL</c> allows any.</summary>
    public IReadOnlyCollection<string> AllowedCapabilities { get; init; } = [];

    /// <summary>Whether the host's network may be asked for.</summary>
    public bool AllowHostNetwork { get; init; }

    /// <summary>Whether a job may run as root inside its container. It has no capabilities there either way. Without it, <c>user</c> must be a number.</summary>
    public bool AllowRootUser { get; init; } = true;

    /// <summary>
    /// The files of this host, or the directories that they lie in, that a request may name as its image (<c>oci:</c>,
    /// <c>docker-archive:</c>, <c>rootfs:</c>, ...); empty: none.
    /// </summary>
    public IReadOnlyList<string> AllowedImagePaths { get; init; } = [];
}
