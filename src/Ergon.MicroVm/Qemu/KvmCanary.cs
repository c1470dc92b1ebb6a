using Ergon.MicroVm.Guest.Boot;
using Ergon.MicroVm.Guest.Channel;
using Ergon.MicroVm.Vmm;

namespace Ergon.MicroVm.Qemu;

/// <summary>
/// Finds out whether guests boot under KVM, by booting one: a device that can be opened proves nothing on a machine that is itself virtual.
/// What was seen holds until the machine restarts.
/// </summary>
internal sealed class KvmCanary(QemuVmm vmm, GuestBoot boot, string cache, TimeProvider time)
{
    private const long MemoryBytes = 160L * 1024 * 1024;

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
        var directory = Directory.CreateTempSubdirectory("ergon-canary-").FullName;
        try
        {
            var plan = new VmPlan
            {
                Name = "ergon-canary",
                Directory = directory,
                Cpus = 1,
                MemoryBytes = MemoryBytes,
                KernelPath = files.KernelPath,
                InitrdPath = files.InitramfsPath,
                KernelArguments = files.KernelArguments,
                HasAgent = true,
            };
            await using var machine = await vmm.LaunchAsync(plan, "kvm", program, null);
            try
            {
                return await AnswersAsync(machine, cancellationToken);
            }
            finally
            {
                machine.Kill();
                await machine.Ended;
            }
        }
        catch (IOException)
        {
            return false;
        }
        finally
        {
            Directory.Delete(directory, recursive: true);
        }
    }

    private async Task<bool> AnswersAsync(QemuMachine machine, CancellationToken cancellationToken)
    {
        using var deadline = new CancellationTokenSource(BootDeadline, time);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken, deadline.Token);
        try
        {
            var stream = await machine.ConnectAgentAsync(either.Token);
            await using var channel = await GuestChannel.ConnectAsync(stream, 0, 0, time, either.Token);
            return true;
        }
        catch (OperationCanceledException) when (!cancellationToken.IsCancellationRequested)
        {
            return false;
        }
        catch (Exception e) when (e is IOException or System.Net.Sockets.SocketException)
        {
            return false;
        }
    }

    private static async Task<string> BootIdAsync(CancellationToken cancellationToken) =>
        (await File.ReadAllTextAsync("/proc/sys/kernel/random/boot_id", cancellationToken)).Trim();
}
