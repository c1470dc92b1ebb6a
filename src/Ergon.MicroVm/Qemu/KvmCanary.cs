using Ergon.MicroVm.Execution;
using Ergon.MicroVm.Guest.Boot;

namespace Ergon.MicroVm.Qemu;

/// <summary>
/// Finds out whether guests boot under KVM, by booting one: a device that can be opened proves nothing on a machine that is itself virtual.
/// What was seen holds until the machine restarts.
/// </summary>
internal sealed class KvmCanary(QemuVmm vmm, GuestBoot boot, string cache, TimeProvider time)
{
    // A guest under working KVM boots in a fraction of this.
    private static readonly TimeSpan BootDeadline = TimeSpan.FromSeconds(8);

    /// <summary>Whether they do.</summary>
    /// <param name="program">QEMU's program.</param>
    /// <param name="version">QEMU's version.</param>
    /// <param name="cancellationToken">Gives up.</param>
    public async Task<bool> BootsAsync(string program, string version, CancellationToken cancellationToken)
    {
        BootFiles files;
        try
        {
            files = await boot.GetAsync(null, vmm.ModulesFor(null), cancellationToken);
        }
        catch (ExecutorException)
        {
            return false; // nothing can be booted at all, which the fingerprint says
        }

        var known = Path.Combine(cache, "kvm", $"{await BootIdAsync(cancellationToken)}-{version}-{files.Release}");
        if (File.Exists(known)) return (await File.ReadAllTextAsync(known, cancellationToken)).StartsWith("boots", StringComparison.Ordinal);
        var boots = await TryAsync(files, program, cancellationToken);
        Directory.CreateDirectory(Path.GetDirectoryName(known)!);
        await File.WriteAllTextAsync(known, boots ? "boots" : "does not boot", cancellationToken);
        return boots;
    }

    private async Task<bool> TryAsync(BootFiles files, string program, CancellationToken cancellationToken)
    {
        try
        {
            await new CanaryGuest(BootDeadline, time).BootAsync(async plan => await vmm.LaunchAsync(plan, "kvm", program, null), files, cancellationToken);
            return true;
        }
        catch (IOException)
        {
            return false;
        }
    }

    private static async Task<string> BootIdAsync(CancellationToken cancellationToken) =>
        (await File.ReadAllTextAsync("/proc/sys/kernel/random/boot_id", cancellationToken)).Trim();
}
