using System.Runtime.InteropServices;
using Ergon.Linux;
using Ergon.Linux.Networking;
using Microsoft.Win32.SafeHandles;

namespace Ergon.MicroVm.TestProgram;

/// <summary>
/// Stands in for a VMM: carries Ethernet frames between the host's tap and a tap in another network namespace, which stands in for
/// the guest's network card.
/// </summary>
internal static unsafe partial class Cable
{
    private const int NetworkNamespace = 0x40000000;
    private const int LargestFrame = 64 * 1024 + 64;

    public static int Run(string tap, string otherNamespace, string otherTap)
    {
        using var host = TapDevice.Attach(tap);
        SafeFileHandle? guest = null;
        var opening = new Thread(() => guest = AttachIn(otherNamespace, otherTap));
        opening.Start();
        opening.Join();
        var back = new Thread(() => Copy(guest!, host)) { IsBackground = true };
        back.Start();
        Console.WriteLine("ready");
        Copy(host, guest!);
        return 0;
    }

    public static int Attach(string tap)
    {
        try
        {
            TapDevice.Attach(tap).Dispose();
            return 0;
        }
        catch (LinuxException e)
        {
            Console.Error.WriteLine(e.Message);
            return e.Errno;
        }
    }

    private static SafeFileHandle AttachIn(string otherNamespace, string tap)
    {
        using var file = File.OpenHandle(otherNamespace);
        Libc.Check(SetNamespace((int)file.DangerousGetHandle(), NetworkNamespace), "enter the namespace");
        return TapDevice.Attach(tap);
    }

    // Ends when the reading end's tap is deleted, as a VMM would notice too.
    private static void Copy(SafeFileHandle from, SafeFileHandle to)
    {
        var buffer = stackalloc byte[LargestFrame];
        while (true)
        {
            var count = Libc.Read((int)from.DangerousGetHandle(), buffer, LargestFrame);
            if (count <= 0) return;

            // A frame that the other end does not take (its interface is down) is lost, as on any cable.
            _ = Libc.Write((int)to.DangerousGetHandle(), buffer, count);
        }
    }

    [LibraryImport("libc", EntryPoint = "setns", SetLastError = true)]
    private static partial int SetNamespace(int descriptor, int kind);
}
