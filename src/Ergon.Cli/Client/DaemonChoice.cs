using System.CommandLine;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using Ergon.Client;

namespace Ergon.Cli.Client;

/// <summary>Which daemon a command talks to: <c>--host</c>, else <c>ERGON_HOST</c>, else the current context.</summary>
internal static class DaemonChoice
{
    /// <summary>The word for no daemon at all.</summary>
    public const string Local = "local";

    public static Option<string?> Host { get; } = new("--host") { Description = "The daemon: unix:///path, https://host:port, or a context's name ($ERGON_HOST).", HelpName = "DAEMON" };

    /// <summary>The daemon that was configured; <see langword="null"/> when none was.</summary>
    /// <exception cref="ExecutorException"><see cref="ErrorCode.InvalidRequest"/>: what was configured is no daemon.</exception>
    public static RemoteExecutorOptions? Configured(ParseResult parsed)
    {
        var named = parsed.GetValue(Host) ?? Environment.GetEnvironmentVariable("ERGON_HOST");
        if (named == Local) return null;
        if (named is { Length: > 0 } && DaemonAddress.TryParse(named, out var address)) return WithEnvironment(address);
        if (named is not { Length: > 0 } && !ContextFile.Exists) return null;
        var file = ContextFile.Read();
        if (named is not { Length: > 0 }) named = file.Current;
        if (named is null or Local) return null;
        if (!file.Contexts.TryGetValue(named, out var context))
            throw Invalid($"'{named}' is neither an address of a daemon (unix:///path, https://host:port) nor a context; 'ergon context ls' shows those.");
        if (!DaemonAddress.TryParse(context.Host, out address)) throw Invalid($"The context '{named}' has the address '{context.Host}', which is none of a daemon.");
        return Options(address, context.TokenFile, context.Ca, context.Certificate, context.Key, token: null);
    }

    /// <summary>The daemon that was configured, else the one of this machine.</summary>
    /// <exception cref="ExecutorException">As <see cref="Configured"/>.</exception>
    public static RemoteExecutorOptions Required(ParseResult parsed) =>
        Configured(parsed) ?? new RemoteExecutorOptions { Address = DaemonAddress.OfSocket(DaemonAddress.DefaultSocket) };

    private static RemoteExecutorOptions WithEnvironment(Uri address) => Options(
        address, Variable("ERGON_TOKEN_FILE"), Variable("ERGON_CA"), Variable("ERGON_CERT"), Variable("ERGON_KEY"), Variable("ERGON_TOKEN"));

    private static RemoteExecutorOptions Options(Uri address, string? tokenFile, string? ca, string? certificate, string? key, string? token)
    {
        try
        {
            var authorities = new X509Certificate2Collection();
            if (ca is not null) authorities.ImportFromPemFile(ca);
            return new RemoteExecutorOptions
            {
                Address = address,
                BearerToken = tokenFile is null ? token : File.ReadAllText(tokenFile).Trim(),
                TrustedAuthorities = authorities,
                ClientCertificate = certificate is null ? null : X509Certificate2.CreateFromPemFile(certificate, key ?? certificate),
            };
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or CryptographicException)
        {
            throw Invalid($"What proves who calls {address} cannot be read: {e.Message}");
        }
    }

    private static string? Variable(string name) => Environment.GetEnvironmentVariable(name) is { Length: > 0 } value ? value : null;

    private static ExecutorException Invalid(string message) => new(ErrorCode.InvalidRequest, message);
}
