using System.Text.RegularExpressions;
using Ergon.MicroVm.Vmm;

namespace Ergon.MicroVm.Firecracker;

/// <summary>Finds Firecracker and finds out, once, whether it can be used here.</summary>
internal sealed partial class FirecrackerProbe(FirecrackerOptions options)
    : VmmProbe("Firecracker", options.Program, "Download a release of Firecracker and put it into PATH, or set the option Program to its path.")
{
    private static readonly Version Oldest = new(1, 7);

    protected override Regex VersionText => VersionPattern();

    protected override Task<VmmFacts> ProbeAsync(string version) => Task.FromResult(
        Version.Parse(version) < Oldest
            ? Unusable($"Firecracker {version} is too old.", $"Install version {Oldest} or newer.")
            : new VmmFacts(version, "kvm", KvmProblem() is { } problem ? [problem] : []));

    // Root gives its user the device.
    private static FingerprintProblem? KvmProblem()
    {
        if (!File.Exists(KvmDevice))
            return new FingerprintProblem($"There is no {KvmDevice}, without which Firecracker starts no guest.", "Enable virtualization in the firmware or the hypervisor, and load kvm_intel or kvm_amd; or use the qemu executor.");
        return WhyKvmCannotBeOpened() is { } why
            ? new FingerprintProblem($"{KvmDevice} cannot be opened, without which Firecracker starts no guest: {why}", "Give this user access to the device, such as by the group kvm; or use the qemu executor.")
            : null;
    }

    // Three numbers of at most nine digits each: what Version takes.
    [GeneratedRegex(@"v(?<version>\d{1,9}\.\d{1,9}\.\d{1,9})", RegexOptions.ExplicitCapture, matchTimeoutMilliseconds: 1000)]
    private static partial Regex VersionPattern();
}
