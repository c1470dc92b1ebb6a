using System.Net;
using System.Security.Cryptography;
using System.Text;

namespace Ergon.Networks;

/// <summary>
/// The nftables rules of one executor, in a table of its own. The table is a function of the executor's networks and always written
/// whole, in one transaction: there is no order of additions and removals, interrupted or not, that leaves something else.
/// </summary>
internal static class NetworkRules
{
    // nft refuses comments of 128 characters and more.
    private const int MaxComment = 127;

    public static string TableOf(string executorId) =>
        $"ergon_{Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(executorId)))[..16]}";

    /// <summary>Statements that make the executor's table be as its networks need it; without networks, not be.</summary>
    public static string Render(string executorId, IReadOnlyList<NetworkRecord> networks)
    {
        var table = TableOf(executorId);

        // Only what exists can be deleted, and adding what exists does nothing.
        var statements = new StringBuilder().Append($"table inet {table}\ndelete table inet {table}\n");
        if (networks.Count == 0) return statements.ToString();
        statements.Append($"table inet {table} {{\ncomment \"{Comment("executor " + executorId)}\"\n");
        AppendSets(statements, networks);
        return statements.Append(Chains).Append("}\n").ToString();
    }

    private const string Chains =
        """
        chain arriving {
          type filter hook prerouting priority raw; policy accept
          iifname @interfaces jump from_guest
        }

        chain from_guest {
          meta nfproto != ipv4 drop
          iifname . ether saddr . ip saddr != @guests drop
          ip daddr 127.0.0.0/8 drop
          iifname . ip daddr @resolvers th dport 53 accept
          ip daddr 169.254.0.0/16 reject with icmp type admin-prohibited
        }

        chain forwarding {
          type filter hook forward priority filter - 10; policy accept
          oifname @interfaces ct state established,related accept
          oifname @interfaces ct status dnat accept
          oifname @interfaces drop
          iifname @interfaces ct state established,related accept
          iifname @interfaces ct status dnat accept
          iifname @interfaces oifname { "ergon-*", "docker*", "br-*" } reject with icmp type admin-prohibited
        }

        chain from_outside {
          type nat hook prerouting priority dstnat; policy accept
          ip daddr 127.0.0.0/8 return
          fib daddr type local dnat ip to meta l4proto . th dport map @published_everywhere
          dnat ip to ip daddr . meta l4proto . th dport map @published
        }

        chain from_host {
          type nat hook output priority -100; policy accept
          fib daddr type local dnat ip to meta l4proto . th dport map @published_everywhere
          dnat ip to ip daddr . meta l4proto . th dport map @published
        }

        chain leaving {
          type nat hook postrouting priority srcnat; policy accept
          ip saddr @addresses masquerade
          ip saddr 127.0.0.0/8 oifname @interfaces masquerade
        }

        """;

    private static void AppendSets(StringBuilder statements, IReadOnlyList<NetworkRecord> networks)
    {
        var published = networks.SelectMany(n => n.Network.Ports.Select(p => (Port: p, To: $"{n.Network.GuestAddress} . {p.ExecutorPort}"))).ToList();
        var everywhere = published.Where(p => IsEverywhere(p.Port)).Select(p => $"{Protocol(p.Port)} . {p.Port.HostPort} : {p.To}");
        var somewhere = published.Where(p => !IsEverywhere(p.Port)).Select(p => $"{p.Port.HostIp} . {Protocol(p.Port)} . {p.Port.HostPort} : {p.To}");
        AppendSet(statements, "set interfaces", "ifname", networks.Select(n => Quoted(n)));
        AppendSet(statements, "set guests", "ifname . ether_addr . ipv4_addr", networks.Select(n =>
            $"{Quoted(n)} . {n.Network.GuestMac} . {n.Network.GuestAddress} comment \"{Comment("execution " + n.ExecutionId)}\""));
        AppendSet(statements, "set addresses", "ipv4_addr", networks.Select(n => n.Network.GuestAddress));
        AppendSet(statements, "set resolvers", "ifname . ipv4_addr", networks.SelectMany(n =>
            n.Network.NameServers.Where(IsLinkLocal).Distinct().Select(s => $"{Quoted(n)} . {s}")));
        AppendSet(statements, "map published", "ipv4_addr . inet_proto . inet_service : ipv4_addr . inet_service", somewhere);
        AppendSet(statements, "map published_everywhere", "inet_proto . inet_service : ipv4_addr . inet_service", everywhere);
    }

    private static void AppendSet(StringBuilder statements, string name, string type, IEnumerable<string> elements)
    {
        var list = string.Join(",\n", elements);
        statements.Append($"{name} {{\ntype {type}\n");
        if (list.Length > 0) statements.Append($"elements = {{ {list} }}\n");
        statements.Append("}\n");
    }

    // Clouds have name servers in the range that guests are otherwise kept from.
    private static bool IsLinkLocal(string server) => AddressRange.Parse("169.254.0.0/16").Overlaps(AddressRange.Parse(server + "/32"));

    private static bool IsEverywhere(PortMapping port) => port.HostIp == IPAddress.Any.ToString();

    private static string Protocol(PortMapping port) => port.Protocol == PortProtocol.Tcp ? "tcp" : "udp";

    private static string Quoted(NetworkRecord network) => $"\"{network.Network.InterfaceName}\"";

    private static string Comment(string text) => text.Length <= MaxComment ? text : text[..MaxComment];
}
