using System.Runtime.InteropServices;
using Ergon.Linux;

namespace Ergon.GuestAgent.Boot;

/// <summary>Loads the kernel modules that the initramfs brings, in its order.</summary>
internal static class ModuleLoader
{
    /// <summary>Those that the channel needs.</summary>
    public const string Early = "/modules/early";

    /// <summary>Those that the job needs: loaded while the host reads the greeting.</summary>
    public const string Late = "/modules/late";

    /// <summary>Those that a network interface needs: loaded when there is one.</summary>
    public const string Network = "/modules/network";

    private const string AutoProbe = "/sys/bus/virtio/drivers_autoprobe";
    private static readonly int FinitModule = RuntimeInformation.ProcessArchitecture == Architecture.X64 ? 313 : 273;

    /// <summary>The paths in a list; none when there is no such list.</summary>
    public static Queue<string> Read(string list) => new((CgroupText.Read(list) ?? "").Split('\n', StringSplitOptions.RemoveEmptyEntries));

    /// <summary>Loads one module. What is missing shows in what then does not work; the console tells why.</summary>
    public static void Load(string path)
    {
        // A disk that is bound now would keep the size and content that it has now, also in the copies that are made of this machine.
        var bindLater = Path.GetFileName(path).StartsWith("virtio_blk.", StringComparison.Ordinal);
        if (bindLater) File.WriteAllText(AutoProbe, "0");
        try
        {
            using var file = Descriptors.Open(path, Libc.ReadOnly);
            using var arena = new NativeArena();
            if (Libc.SystemCall(FinitModule, Descriptors.Number(file), arena.Text(""), 0, 0, 0) < 0 && Marshal.GetLastPInvokeError() is not Errno.Exists and var errno)
                GuestConsole.Write($"the module {path} cannot be loaded: {Errno.Describe(errno)}");
        }
        catch (LinuxException e)
        {
            GuestConsole.Write(e.Message);
        }
        finally
        {
            if (bindLater) File.WriteAllText(AutoProbe, "1");
        }
    }
}
