using Ergon.Linux;

namespace Ergon.GuestAgent.Boot;

/// <summary>Ends the machine.</summary>
internal static class Power
{
    private const int Restart = 0x01234567;

    /// <summary>A restart, which is what ends both VMMs: Firecracker knows no other end, and QEMU is told not to reboot.</summary>
    public static void Off()
    {
        Libc.Sync();
        _ = Libc.Reboot(Restart);
    }
}
