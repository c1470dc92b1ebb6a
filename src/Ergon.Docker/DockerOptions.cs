using System.Security.Cryptography.X509Certificates;

namespace Ergon.Docker;

/// <summary>How to reach a Docker Engine, and what its operator lets requests do.</summary>
public sealed record DockerOptions
{
    /// <summary>
    /// The Engine: <c>unix:///path</c>, <c>npipe://./pipe/name</c>, <c>tcp://host:port</c>. <see langword="null"/>: <c>DOCKER_HOST</c>,
    /// else the current Docker context, else the platform's default.
    /// </summary>
    public Uri? Endpoint { get; init; }

    /// <summary>
    /// The client certificate, with its private key, for an Engine behind TLS. <see langword="null"/>: <c>DOCKER_CERT_PATH</c>, if
    /// <c>DOCKER_TLS_VERIFY</c> is set.
    /// </summary>
    public X509Certificate2? ClientCertificate { get; init; }

    /// <summary>The authority that signed the Engine's certificate. <see langword="null"/>: those that the system trusts.</summary>
    public X509Certificate2? CertificateAuthority { get; init; }

    /// <summary>
    /// Whether to begin to connect when the executor is made, so that the first execution does not wait for it. What fails then is tried again
    /// with the first call, and reported there.
    /// </summary>
    public bool ConnectEarly { get; init; }

    /// <summary>
    /// How long one call to the Engine may take, apart from pulls, streams and waiting for the job. An Engine that is busy with many containers
    /// may need half a minute to start one more.
    /// </summary>
    public TimeSpan CallTimeout { get; init; } = TimeSpan.FromMinutes(2);

    /// <summary>How long to try again when the Engine goes away under a running execution.</summary>
    public TimeSpan ReconnectTimeout { get; init; } = TimeSpan.FromSeconds(30);

    /// <summary>Credentials of registries, by host name such as <c>ghcr.io</c>; they win over those of the Docker client's own file.</summary>
    public IReadOnlyDictionary<string, RegistryCredential> RegistryCredentials { get; init; } = new Dictionary<string, RegistryCredential>();

    /// <summary>The Docker client's own directory. <see langword="null"/>: <c>DOCKER_CONFIG</c>, else <c>~/.docker</c>.</summary>
    public string? ConfigDirectory { get; init; }

    /// <summary>Containers that wait for jobs. <see langword="null"/>: none do, each job has its container made for it.</summary>
    public WarmContainerOptions? WarmContainers { get; init; }

    /// <summary>What requests may loosen.</summary>
    public DockerPolicy Policy { get; init; } = new();
}

/// <summary>What an operator lets requests loosen. Nothing, unless it is said here.</summary>
public sealed record DockerPolicy
{
    /// <summary>The capabilities that <c>cap_add</c> may ask for, such as <c>NET_BIND_SERVICE</c>; <c>ALL</c> allows any.</summary>
    public IReadOnlyCollection<string> AllowedCapabilities { get; init; } = [];

    /// <summary>Whether <c>privileged</c> may be asked for: the job then owns the host.</summary>
    public bool AllowPrivileged { get; init; }

    /// <summary>Whether the host's network may be asked for.</summary>
    public bool AllowHostNetwork { get; init; }

    /// <summary>Whether a job may run as root inside its container. It has no capabilities there either way. Without it, <c>user</c> must be a number.</summary>
    public bool AllowRootUser { get; init; } = true;
}
