using Ergon.Linux;
using Ergon.Linux.Networking;

namespace Ergon.MicroVm.Execution;

/// <summary>Whether a VMM can be connected to a bridge network here.</summary>
internal static class TapProbe
{
    /// <summary>What keeps it from that; <see langword="null"/>: nothing.</summary>
    public static FingerprintProblem? Take()
    {
        try
        {
            Descriptors.Open(TapDevice.Path, Libc.ReadWrite).Dispose();
            return null;
        }
        catch (LinuxException e)
        {
            return new(
                $"Bridge networks of VMs need {TapDevice.Path}: {Errno.Describe(e.Errno)}.", "Load the kernel's module: 'modprobe tun'. In a container, pass the device: '--device /dev/net/tun'.");
        }
    }
}
