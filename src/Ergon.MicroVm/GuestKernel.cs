using CliWrap;
using CliWrap.Buffered;
using CliWrap.Exceptions;
using Ergon.Images.Store;
using Ergon.Linux;
using Ergon.MicroVm.Guest.Boot;

namespace Ergon.MicroVm;

/// <summary>Fetches the kernel that guests boot.</summary>
public static class GuestKernel
{
    private const string Package = "linux-image-cloud-amd64";

    /// <summary>
    /// Downloads the newest of the distribution's kernels for virtual machines with the package manager and unpacks it into the cache;
    /// nothing is installed. A kernel that is there already is replaced by a newer one only.
    /// </summary>
    /// <param name="cacheDirectory">As <see cref="MicroVmOptions.CacheDirectory"/>; <see langword="null"/>: the customary one.</param>
    /// <param name="cancellationToken">Gives up.</param>
    /// <returns>The path of the kernel.</returns>
    /// <exception cref="ExecutorException">
    /// <see cref="ErrorCode.NotSupported"/>: this system has no package manager that is known here; <see cref="ErrorCode.BackendFailed"/>: it
    /// failed. The message says what to do by hand.
    /// </exception>
    public static async Task<string> FetchAsync(string? cacheDirectory = null, CancellationToken cancellationToken = default)
    {
        var directory = KernelStore.DirectoryIn(CacheLocation.Of(cacheDirectory));
        if (ProgramPath.Find("apt-get") is null || ProgramPath.Find("dpkg") is null)
            throw new ExecutorException(ErrorCode.NotSupported, $"This system has no apt-get and dpkg, with which a kernel could be fetched. {Remedy(directory)}");
        Directory.CreateDirectory(directory);
        var work = Directory.CreateDirectory(Path.Combine(directory, $".new-{Guid.NewGuid():n}")).FullName;
        try
        {
            return await FetchAsync(directory, work, cancellationToken);
        }
        catch (Exception e) when (e is CommandExecutionException or IOException or UnauthorizedAccessException)
        {
            throw new ExecutorException(ErrorCode.BackendFailed, $"The kernel could not be fetched: {e.Message.Trim()} {Remedy(directory)}", innerException: e);
        }
        finally
        {
            Directory.Delete(work, recursive: true);
        }
    }

    private static async Task<string> FetchAsync(string directory, string work, CancellationToken cancellationToken)
    {
        var package = await NewestPackageAsync(cancellationToken) ??
            throw new IOException($"the package manager does not know {Package}; run 'apt-get update' as root and try again.");
        var known = Path.Combine(directory, "boot", "vmlinuz-" + package["linux-image-".Length..]);
        if (File.Exists(known)) return known;
        await Cli.Wrap("apt-get").WithArguments(["download", "-qq", package]).WithWorkingDirectory(work).ExecuteBufferedAsync(cancellationToken);
        var archive = Directory.EnumerateFiles(work, "*.deb").FirstOrDefault() ?? throw new IOException($"apt-get gave no file for {package}.");
        var unpacked = Path.Combine(work, "unpacked");
        await Cli.Wrap("dpkg").WithArguments(["-x", archive, unpacked]).ExecuteBufferedAsync(cancellationToken);
        // The modules first: a kernel counts only with its modules.
        foreach (var part in new[] { "lib/modules", "boot" })
        {
            Directory.CreateDirectory(Path.Combine(directory, part));
            foreach (var entry in Directory.EnumerateFileSystemEntries(Path.Combine(unpacked, part)))
            {
                var target = Path.Combine(directory, part, Path.GetFileName(entry));
                if (Directory.Exists(target)) Directory.Delete(target, recursive: true);
                Directory.Move(entry, target);
            }
        }

        return KernelStore.Newest(directory) ?? throw new IOException($"the package {package} has no kernel with modules.");
    }

    // The package of that name is empty and depends on that of the newest release.
    private static async Task<string?> NewestPackageAsync(CancellationToken cancellationToken)
    {
        var result = await Cli.Wrap("apt-cache").WithArguments(["depends", Package]).WithValidation(CommandResultValidation.None).ExecuteBufferedAsync(cancellationToken);
        return result.StandardOutput.Split('\n').Select(line => line.Trim())
            .Where(line => line.StartsWith("Depends: linux-image-", StringComparison.Ordinal))
            .Select(line => line["Depends: ".Length..])
            .FirstOrDefault();
    }

    private static string Remedy(string directory) =>
        $"Unpack a kernel package of a distribution by hand, so that boot/vmlinuz-RELEASE and lib/modules/RELEASE lie below {directory}, or set the options " +
        "KernelImage and KernelModules to a kernel that has virtio, overlayfs, squashfs and ext4 built in or as modules.";
}
