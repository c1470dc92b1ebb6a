namespace Ergon.Daemon;

/// <summary>
/// A TCP port that a daemon listens on, always with TLS 1.2 or newer, and the ways to prove who calls: without one of them the daemon
/// refuses to listen.
/// </summary>
public sealed record NetworkListener
{
    // What a JSON file leaves out is set to null by the reader, in place of what stands here.
    /// <summary>Where: <c>https://0.0.0.0:7443</c>.</summary>
    public required Uri Address { get; init; }

    /// <summary>The daemon's certificate (PEM), with those that lead to its authority.</summary>
    public required string Certificate { get; init; }

    /// <summary>Its private key (PEM). <see langword="null"/>: it is in the same file.</summary>
    public string? Key { get; init; }

    /// <summary>The authorities (PEM) whose client certificates are accepted. <see langword="null"/>: none.</summary>
    public string? ClientAuthorities { get; init; }

    /// <summary>What holders of a client certificate may do, by the certificate's common name; <c>*</c> is for all others.</summary>
    public IReadOnlyDictionary<string, IReadOnlyList<string>> ClientScopes { get; init => field = value ?? field; } = new Dictionary<string, IReadOnlyList<string>>();

    /// <summary>The tokens that are accepted.</summary>
    public IReadOnlyList<DaemonToken> Tokens { get; init => field = value ?? field; } = [];
}

/// <summary>A token that proves who calls. Only its hash is kept: whoever reads the settings cannot call.</summary>
public sealed record DaemonToken
{
    /// <summary>Who has it; it appears in the audit log.</summary>
    public required string Name { get; init; }

    /// <summary>The SHA-256 of the token, in hexadecimal digits: <c>printf %s TOKEN | sha256sum</c>.</summary>
    public required string Sha256 { get; init; }

    /// <summary>What its holder may do: <c>read</c>, <c>run</c>, <c>admin</c>.</summary>
    public required IReadOnlyList<string> Scopes { get; init; }
}
