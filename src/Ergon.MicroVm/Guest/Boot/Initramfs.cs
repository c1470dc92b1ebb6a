using System.Text;

namespace Ergon.MicroVm.Guest.Boot;

/// <summary>The first file system of a guest: the agent and the kernel modules that it loads. The same parts always give the same bytes.</summary>
internal static class Initramfs
{
    private const int Executable = 0x1ed;
    private const int Readable = 0x124;

    /// <summary>Writes it.</summary>
    /// <param name="output">Where to.</param>
    /// <param name="agent">The agent's program.</param>
    /// <param name="early">Modules that the channel to the host needs, in load order.</param>
    /// <param name="late">Modules that are loaded once the host is connected, in load order.</param>
    /// <param name="network">Modules that are loaded when the guest has a network interface, in load order.</param>
    public static void Write(
        Stream output, ReadOnlySpan<byte> agent, IReadOnlyList<KernelModule> early, IReadOnlyList<KernelModule> late, IReadOnlyList<KernelModule> network)
    {
        var cpio = new CpioWriter(output);
        // Where the kernel opens standard input, output and error of the first process.
        cpio.WriteDirectory("dev");
        cpio.WriteCharacterDevice("dev/console", 5, 1);
        cpio.WriteDirectory("proc");
        cpio.WriteDirectory("sys");
        cpio.WriteDirectory("modules");
        foreach (var module in early.Concat(late).Concat(network)) cpio.WriteFile(PathOf(module)[1..], Readable, module.Content.Span);
        cpio.WriteFile("modules/early", Readable, List(early));
        cpio.WriteFile("modules/late", Readable, List(late));
        cpio.WriteFile("modules/network", Readable, List(network));
        cpio.WriteFile("init", Executable, agent);
        cpio.End();
    }

    private static string PathOf(KernelModule module) => $"/modules/{module.Name}.ko";

    private static byte[] List(IEnumerable<KernelModule> modules) => Encoding.UTF8.GetBytes(string.Concat(modules.Select(m => PathOf(m) + "\n")));
}
