using System.Text.RegularExpressions;
using Ergon.Linux;
using Ergon.MicroVm.Vmm;

namespace Ergon.MicroVm.Firecracker;

/// <summary>Finds Firecracker and finds out, once, whether it can be used here.</summary>
internal sealed partial class FirecrackerProbe(FirecrackerOptions options)
    : VmmProbe("Firecracker", options.Program, "Download a release of Firecracker and put it into PATH, or set the option Program to its path.")
{
    private static readonly Version Oldest = new(1, 7);

    protected override Regex VersionText => VersionPattern();

    /// <summary>The path of the jailer, where machines get jails.</summary>
    public string? Jailer { get; private set; }

    protected override Task<VmmFacts> ProbeAsync(string version) => Task.FromResult(
        Version.Parse(version) < Oldest ? Unusable($"Firecracker {version} is too old.", $"Install version {Oldest} or newer.")
        : JailerProblem() is { } jailer ? Unusable(jailer.Problem, jailer.Remedy)
        : new VmmFacts(version, "kvm", KvmProblem() is { } problem ? [problem] : []));

    private FingerprintProblem? JailerProblem()
    {
        if (options.Jailer is not { } jailer) return null;
        if (Libc.EffectiveUserId() != 0) return new FingerprintProblem("Firecracker's jailer needs root.", "Run as root, or leave the option Jailer out.");
        Jailer = ProgramPath.Find(jailer.Program);
        return Jailer is null
            ? new FingerprintProblem($"Firecracker's jailer ({jailer.Program}) was not found.", "It comes with Firecracker's release: put it into PATH, or set the option Jailer.Program to its path.")
            : null;
    }

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
