using System.Globalization;
using Ergon.MicroVm.Guest.Boot;

namespace Ergon.GuestAgent.Tests.Guests;

/// <summary>The distribution's kernel that the guests boot, and what is built for it: once for all tests.</summary>
internal static class TestKernel
{
    private static readonly Lock Lock = new();
    private static Task<(string Kernel, string Initramfs)>? _prepared;

    public static string WorkDirectory { get; } = Directory.CreateTempSubdirectory("ergon-guest-tests-").FullName;

    /// <summary>The packed kernel; <see langword="null"/> when none is here.</summary>
    public static string? File { get; } = Environment.GetEnvironmentVariable("ERGON_TEST_KERNEL") is { Length: > 0 } file ? file : null;

    /// <summary>Why no guest can be booted here; <see langword="null"/>: one can.</summary>
    public static string? Problem { get; } =
        !OnPath("qemu-system-x86_64") ? "qemu-system-x86_64 is not installed." :
        !OnPath("tar2sqfs") ? "tar2sqfs is not installed." :
        !OnPath("busybox") ? "busybox is not installed." :
        File is null ? "ERGON_TEST_KERNEL does not name a kernel; scripts/guest-kernel fetches one." : null;

    /// <summary>The module tree beside the kernel: <c>boot/vmlinuz-R</c> belongs to <c>lib/modules/R</c>.</summary>
    public static string ModuleDirectory
    {
        get
        {
            var release = Path.GetFileName(File!)["vmlinuz-".Length..];
            return Path.Combine(Path.GetDirectoryName(Path.GetDirectoryName(File))!, "lib/modules", release);
        }
    }

    /// <summary>What the guest's clock would otherwise have to measure.</summary>
    public static long TscKilohertz { get; } = (long)(1000 * double.Parse(
        System.IO.File.ReadLines("/proc/cpuinfo").First(l => l.StartsWith("cpu MHz", StringComparison.Ordinal)).Split(':')[1], CultureInfo.InvariantCulture));

    public static Task<(string Kernel, string Initramfs)> PrepareOnceAsync()
    {
        lock (Lock) return _prepared ??= PrepareAsync();
    }

    private static async Task<(string Kernel, string Initramfs)> PrepareAsync()
    {
        var kernel = await KernelImage.OpenAsync(File!, WorkDirectory, CancellationToken.None);
        var modules = KernelModules.Open(ModuleDirectory);
        var early = await modules.ResolveAsync(BootModules.QemuMicroVm.Early, [], CancellationToken.None);
        var late = await modules.ResolveAsync(BootModules.QemuMicroVm.Late, early, CancellationToken.None);
        var network = await modules.ResolveAsync(BootModules.QemuMicroVm.Network, [.. early, .. late], CancellationToken.None);
        var agent = await AgentBinary.ReadAsync(Environment.GetEnvironmentVariable("ERGON_TEST_AGENT"), CancellationToken.None);
        var initramfs = Path.Combine(WorkDirectory, "initramfs");
        await using (var stream = System.IO.File.Create(initramfs)) Initramfs.Write(stream, agent.Span, early, late, network);
        return (kernel.Path, initramfs);
    }

    public static bool OnPath(string program) =>
        (Environment.GetEnvironmentVariable("PATH") ?? "").Split(':').Any(d => System.IO.File.Exists(Path.Combine(d, program)));
}
