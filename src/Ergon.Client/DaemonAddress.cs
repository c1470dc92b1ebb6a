using System.Diagnostics.CodeAnalysis;

namespace Ergon.Client;

/// <summary>Where daemons listen.</summary>
public static class DaemonAddress
{
    /// <summary>
    /// The socket of a daemon that was told nothing else: <c>/run/ergon/ergon.sock</c> of root; <c>$XDG_RUNTIME_DIR/ergon/ergon.sock</c>, or
    /// one below the temporary directory, of others.
    /// </summary>
    public static string DefaultSocket
    {
        get
        {
            if (Environment.IsPrivilegedProcess && !OperatingSystem.IsWindows()) return "/run/ergon/ergon.sock";
            var own = Environment.GetEnvironmentVariable("XDG_RUNTIME_DIR") is { Length: > 0 } runtime
                ? Path.Combine(runtime, "ergon")
                : Path.Combine(Path.GetTempPath(), $"ergon-{Environment.UserName}");
            return Path.Combine(own, "ergon.sock");
        }
    }

    /// <summary>The address of a Unix socket.</summary>
    public static Uri OfSocket(string path) => new UriBuilder("unix", "", -1, Path.GetFullPath(path)).Uri;

    /// <summary>Reads <c>unix:///path</c> or <c>https://host:port</c>; a path alone is that of a socket.</summary>
    public static bool TryParse(string text, [NotNullWhen(true)] out Uri? address)
    {
        address = null;
        if (text.StartsWith('/')) address = OfSocket(text);
        else if (Uri.TryCreate(text, UriKind.Absolute, out var uri) && (uri.Scheme == Uri.UriSchemeHttps || (uri.Scheme == "unix" && uri.AbsolutePath.Length > 1))) address = uri;
        return address is not null;
    }
}
