using System.Net;
using System.Net.Sockets;

namespace Ergon.Networks;

/// <summary>Which name servers a guest is told of.</summary>
internal static class NameServers
{
    private const string Configuration = "/etc/resolv.conf";

    // systemd-resolved puts its own loopback address into the former, and the servers that it asks into the latter.
    private const string ConfigurationBehindResolved = "/run/systemd/resolve/resolv.conf";

    public static async ValueTask<IReadOnlyList<string>> ChooseAsync(NetworkSpec spec, BridgeNetworkOptions options, CancellationToken cancellationToken)
    {
        if (spec.Dns.Count > 0) return spec.Dns;
        if (options.Dns.Count > 0) return options.Dns;
        var servers = Parse(await ReadAsync(Configuration, cancellationToken));
        if (servers.Count == 0) servers = Parse(await ReadAsync(ConfigurationBehindResolved, cancellationToken));
        return servers.Count > 0 ? servers : options.FallbackDns;
    }

    /// <summary>The servers of a resolv.conf(5) that a guest can reach: IPv4, and not on the host's loopback.</summary>
    public static IReadOnlyList<string> Parse(string text)
    {
        var servers = new List<string>();
        foreach (var line in text.Split('\n'))
        {
            var words = line.Split((char[])[' ', '\t', '\r'], StringSplitOptions.RemoveEmptyEntries);
            if (words is ["nameserver", var server, ..] && IPAddress.TryParse(server, out var address) &&
                address.AddressFamily == AddressFamily.InterNetwork && !IPAddress.IsLoopback(address) && !address.Equals(IPAddress.Any))
                servers.Add(address.ToString());
        }

        return servers;
    }

    private static async Task<string> ReadAsync(string path, CancellationToken cancellationToken)
    {
        try
        {
            return await File.ReadAllTextAsync(path, cancellationToken);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return "";
        }
    }
}
