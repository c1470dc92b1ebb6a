using System.Runtime.CompilerServices;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using System.Text;

namespace Ergon.Daemon.Security;

/// <summary>Knows who may call over the network: holders of tokens, and of certificates that a known authority signed.</summary>
internal sealed class CallerDirectory
{
    // id-kp-clientAuth, RFC 5280.
    private const string ClientAuthentication = "1.3.6.1.5.5.7.3.2";

    private readonly List<(byte[] Hash, Caller Caller)> _tokens = [];
    private readonly Dictionary<string, Scopes> _certificates = new(StringComparer.Ordinal);
    private readonly ConditionalWeakTable<X509Certificate2, Caller> _known = [];

    private CallerDirectory(X509Certificate2Collection authorities) => Authorities = authorities;

    /// <summary>The authorities whose client certificates are accepted; empty: none are.</summary>
    public X509Certificate2Collection Authorities { get; }

    /// <summary>Reads who may call, and adds everything that is wrong. Without anybody, nothing must be listened on.</summary>
    public static CallerDirectory Read(NetworkListener listener, RequestProblems problems)
    {
        var directory = new CallerDirectory(ReadAuthorities(listener, problems));
        foreach (var (i, token) in listener.Tokens.Index())
        {
            if (token.Sha256.Length != 64 || !token.Sha256.All(char.IsAsciiHexDigit)) problems.Invalid($"network.tokens[{i}].sha256", "is not the 64 hexadecimal digits of a SHA-256.");
            else directory._tokens.Add((Convert.FromHexString(token.Sha256), new Caller($"token:{token.Name}", ReadScopes(token.Scopes, $"network.tokens[{i}].scopes", problems))));
        }

        foreach (var (name, scopes) in listener.ClientScopes)
            directory._certificates[name] = ReadScopes(scopes, $"network.client_scopes.{name}", problems);
        if (listener.ClientAuthorities is null && listener.Tokens.Count == 0)
            problems.Invalid("network", "has neither tokens nor client_authorities: anybody could call. Name who may.");
        if (directory.Authorities.Count > 0 && directory._certificates.Count == 0)
            problems.Invalid("network.client_scopes", "is empty: no holder of a certificate could do anything. Give scopes to common names, or to '*'.");
        return directory;
    }

    /// <summary>Who has a token; <see langword="null"/>: nobody.</summary>
    public Caller? OfToken(string token)
    {
        Span<byte> hash = stackalloc byte[SHA256.HashSizeInBytes];
        SHA256.HashData(Encoding.UTF8.GetBytes(token), hash);
        Caller? found = null;

        // Each is compared, so that the time tells nothing.
        foreach (var (known, caller) in _tokens)
            if (CryptographicOperations.FixedTimeEquals(known, hash)) found = caller;
        return found;
    }

    /// <summary>Whether one of the authorities signed a certificate for clients. The system's authorities have no say in who may call.</summary>
    public bool Trusts(X509Certificate2 certificate)
    {
        if (Authorities.Count == 0) return false;
        using var chain = new X509Chain();
        chain.ChainPolicy.TrustMode = X509ChainTrustMode.CustomRootTrust;
        chain.ChainPolicy.CustomTrustStore.AddRange(Authorities);
        chain.ChainPolicy.RevocationMode = X509RevocationMode.NoCheck;
        chain.ChainPolicy.ApplicationPolicy.Add(new Oid(ClientAuthentication));
        return chain.Build(certificate);
    }

    /// <summary>Who has a certificate; <see langword="null"/>: nobody that may call.</summary>
    public Caller? OfCertificate(X509Certificate2 certificate)
    {
        // A connection keeps its certificate. It was verified when the connection began, by the settings of then: those of now look at it once themselves.
        var caller = _known.GetValue(certificate, Identify);
        return caller == Caller.Unknown ? null : caller;
    }

    private Caller Identify(X509Certificate2 certificate)
    {
        if (!Trusts(certificate)) return Caller.Unknown;
        var name = certificate.GetNameInfo(X509NameType.SimpleName, forIssuer: false);
        if (!_certificates.TryGetValue(name, out var scopes) && !_certificates.TryGetValue("*", out scopes)) return Caller.Unknown;
        return new Caller($"certificate:{name}", scopes);
    }

    private static X509Certificate2Collection ReadAuthorities(NetworkListener listener, RequestProblems problems)
    {
        var authorities = new X509Certificate2Collection();
        if (listener.ClientAuthorities is not { } path) return authorities;
        try
        {
            authorities.ImportFromPemFile(path);
            if (authorities.Count == 0) problems.Invalid("network.client_authorities", $"is {path}, which has no certificate.");
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or CryptographicException)
        {
            problems.Invalid("network.client_authorities", $"is {path}, which cannot be read: {e.Message}");
        }

        return authorities;
    }

    private static Scopes ReadScopes(IReadOnlyList<string> names, string field, RequestProblems problems)
    {
        var scopes = Scopes.None;
        foreach (var name in names)
        {
            if (name is "read" or "run" or "admin") scopes |= name switch { "read" => Scopes.Read, "run" => Scopes.Run, _ => Scopes.Admin };
            else problems.Invalid(field, $"has '{name}'; give read, run or admin.");
        }

        return scopes;
    }
}
