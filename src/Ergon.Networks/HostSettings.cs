namespace Ergon.Networks;

/// <summary>The kernel's network settings (<c>/proc/sys/net</c>).</summary>
internal static class HostSettings
{
    private const string Forwarding = "/proc/sys/net/ipv4/ip_forward";

    /// <summary>Makes the host pass packets on between its interfaces. It stays so: others may rely on it by the time we are gone.</summary>
    public static async ValueTask ForwardPacketsAsync(CancellationToken cancellationToken)
    {
        if (await DoesForwardPacketsAsync(cancellationToken)) return;
        await File.WriteAllTextAsync(Forwarding, "1", cancellationToken);
    }

    public static async ValueTask<bool> DoesForwardPacketsAsync(CancellationToken cancellationToken) =>
        (await File.ReadAllTextAsync(Forwarding, cancellationToken)).Trim() == "1";

    /// <summary>Switches IPv6 off for an interface.</summary>
    public static void SwitchIpv6Off(string name)
    {
        // A kernel without IPv6 has no such setting, and needs none.
        var withoutIpv6 = $"/proc/sys/net/ipv6/conf/{name}/disable_ipv6";
        if (File.Exists(withoutIpv6)) File.WriteAllText(withoutIpv6, "1");
    }

    /// <summary>Sets up an interface's own settings, which vanish with it.</summary>
    /// <param name="name">The interface.</param>
    /// <param name="leadsFromLoopback">Whether connections to the host's loopback are led to the guest.</param>
    /// <param name="cancellationToken">Ends the call.</param>
    public static async ValueTask PrepareAsync(string name, bool leadsFromLoopback, CancellationToken cancellationToken)
    {
        SwitchIpv6Off(name);
        await File.WriteAllTextAsync($"/proc/sys/net/ipv4/conf/{name}/send_redirects", "0", cancellationToken);

        // The kernel otherwise drops what has a loopback address outside of lo; the rules drop it when the guest sends it.
        if (leadsFromLoopback) await File.WriteAllTextAsync($"/proc/sys/net/ipv4/conf/{name}/route_localnet", "1", cancellationToken);
    }
}
