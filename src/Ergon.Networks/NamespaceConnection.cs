using System.Net;
using System.Runtime.InteropServices;
using Ergon.Linux;
using Ergon.Linux.Networking;

namespace Ergon.Networks;

/// <summary>Connects a network namespace to a bridge network: a pair of interfaces, one on the host, the other inside.</summary>
internal static class NamespaceConnection
{
    private const string Inside = "eth0";
    private const string Loopback = "lo";

    /// <summary>Makes the pair, and sets everything inside up.</summary>
    /// <exception cref="LinuxException">The kernel refused.</exception>
    public static async Task MakeAsync(BridgeNetwork network, SafeHandle networkNamespace)
    {
        VethPair.Create(network.InterfaceName, Inside, network.GuestMac, network.Mtu, networkNamespace);
        await NetworkNamespace.RunAsync(networkNamespace, () => SetUp(network));
    }

    /// <summary>Tells whether such pairs can be made here; <see langword="null"/>: they can.</summary>
    /// <param name="networkNamespace">One that nothing is in.</param>
    public static FingerprintProblem? Probe(SafeHandle networkNamespace)
    {
        // A name that no network has, and the one inside goes with its namespace.
        var name = $"ergonp{Environment.ProcessId}";
        try
        {
            VethPair.Create(name, Inside, "06:00:00:00:00:01", 1500, networkNamespace);
            NetworkLink.Delete(name);
            return null;
        }
        catch (LinuxException e)
        {
            return new($"Bridge networks need pairs of virtual interfaces, which cannot be made here: {Errno.Describe(e.Errno)}.", "Load the kernel's module: 'modprobe veth'.");
        }
    }

    private static void SetUp(BridgeNetwork network)
    {
        NetworkLink.SetUp(Loopback);
        HostSettings.SwitchIpv6Off(Inside);
        NetworkLink.AddAddress(Inside, IPAddress.Parse(network.GuestAddress), network.PrefixLength);
        NetworkLink.SetUp(Inside);
        NetworkLink.AddDefaultRoute(Inside, IPAddress.Parse(network.Gateway));
    }
}
