using System.Security.Cryptography.X509Certificates;
using Microsoft.Extensions.Logging;

namespace Ergon.Client;

/// <summary>How a daemon is reached.</summary>
public sealed record RemoteExecutorOptions
{
    /// <summary>Where the daemon listens: <c>unix:///run/ergon/ergon.sock</c> or <c>https://host:port</c>.</summary>
    public required Uri Address { get; init; }

    /// <summary>
    /// The one of the daemon's executors to use. <see langword="null"/>: all of them, by the type of each request's engine spec.
    /// </summary>
    public string? Executor { get; init; }

    /// <summary>How long a call tries to reach a daemon that is not there, such as one that is being restarted.</summary>
    public TimeSpan ReconnectTimeout { get; init; } = TimeSpan.FromSeconds(30);

    /// <summary>How long a call that does not wait for an execution may take.</summary>
    public TimeSpan CallTimeout { get; init; } = TimeSpan.FromMinutes(2);

    /// <summary>Proves to the daemon who calls: one of its tokens.</summary>
    public string? BearerToken { get; init; }

    /// <summary>Proves to the daemon who calls: a certificate with its private key.</summary>
    public X509Certificate2? ClientCertificate { get; init; }

    /// <summary>The authorities that may have signed the daemon's certificate. Empty: those of the system.</summary>
    public X509Certificate2Collection TrustedAuthorities { get; init; } = [];

    /// <summary>Takes what happens to the connection.</summary>
    public ILoggerFactory? LoggerFactory { get; init; }

    /// <summary>The clock. <see langword="null"/>: the system's.</summary>
    public TimeProvider? TimeProvider { get; init; }
}
