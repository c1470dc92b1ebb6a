namespace Ergon.MicroVm.Guest.Boot;

/// <summary>Kernels that were unpacked from packages: <c>boot/vmlinuz-RELEASE</c> with <c>lib/modules/RELEASE</c> beside it.</summary>
internal static class KernelStore
{
    private const string Prefix = "vmlinuz-";

    /// <summary>Where fetched kernels lie in a cache.</summary>
    public static string DirectoryIn(string cache) => Path.Combine(cache, "kernel");

    /// <summary>The kernel below a root that has its modules and was written last; <see langword="null"/>: there is none.</summary>
    public static string? Newest(string root)
    {
        var boot = Path.Combine(root, "boot");
        if (!Directory.Exists(boot)) return null;
        return Directory.EnumerateFiles(boot, Prefix + "*")
            .Where(file => Directory.Exists(Path.Combine(root, "lib/modules", Path.GetFileName(file)[Prefix.Length..])))
            .OrderByDescending(File.GetLastWriteTimeUtc)
            .FirstOrDefault();
    }
}
