using System.Text.RegularExpressions;
using Ergon.MicroVm.Vmm;

namespace Ergon.MicroVm.Qemu;

/// <summary>Finds QEMU and finds out, once, what it can do here.</summary>
internal sealed partial class QemuProbe(QemuOptions options, Func<string, string, CancellationToken, Task<bool>> bootsUnderKvm)
    : VmmProbe("QEMU", options.Program, "Install it (Debian: apt-get install qemu-system-x86), or set the option Program to its path.")
{
    protected override Regex VersionText => VersionPattern();

    protected override async Task<VmmFacts> ProbeAsync(string version)
    {
        var (acceleration, problem) = await AccelerationAsync(version);
        return new VmmFacts(version, acceleration, problem is null ? [] : [problem]);
    }

    private async Task<(string Acceleration, FingerprintProblem? Problem)> AccelerationAsync(string version)
    {
        const string Slow = "Guests are translated (TCG): a job runs five to twenty times slower than on the host.";
        if (options.Acceleration == Acceleration.Kvm) return ("kvm", null);
        if (options.Acceleration == Acceleration.Tcg) return ("tcg", new FingerprintProblem(Slow, "Set the option Acceleration to Auto where the machine has KVM."));
        if (WhyKvmCannotBeOpened() is not null) return ("tcg", new FingerprintProblem($"{Slow} {KvmDevice} cannot be opened.", "Enable virtualization in the firmware or the hypervisor, load kvm_intel or kvm_amd, and give this user access to the device."));
        if (await bootsUnderKvm(Program, version, CancellationToken.None)) return ("kvm", null);
        return ("tcg", new FingerprintProblem($"{Slow} {KvmDevice} is there, but a guest that was tried under it did not boot.", "Use a machine with working (nested) virtualization."));
    }

    [GeneratedRegex(@"version (?<version>\d+(?:\.\d+)+)", RegexOptions.ExplicitCapture, matchTimeoutMilliseconds: 1000)]
    private static partial Regex VersionPattern();
}
