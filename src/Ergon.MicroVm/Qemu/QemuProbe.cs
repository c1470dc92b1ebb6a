using System.Text.RegularExpressions;
using CliWrap;
using CliWrap.Buffered;
using CliWrap.Exceptions;
using Ergon.MicroVm.Vmm;

namespace Ergon.MicroVm.Qemu;

/// <summary>Finds QEMU and finds out, once, what it can do here.</summary>
internal sealed partial class QemuProbe(QemuOptions options, Func<string, string, CancellationToken, Task<bool>> bootsUnderKvm)
{
    private const string KvmDevice = "/dev/kvm";

    private readonly Lock _lock = new();
    private Task<VmmFacts>? _probing;
    private VmmFacts? _usable;

    /// <summary>The path of the program.</summary>
    public string Program { get; private set; } = options.Program;

    /// <summary>What is known of it. A program that was missing is looked for again, since somebody may have installed it.</summary>
    public async ValueTask<VmmFacts> FactsAsync(CancellationToken cancellationToken)
    {
        if (_usable is { } usable) return usable;
        Task<VmmFacts> probing;
        lock (_lock)
        {
            if (_probing is null or { IsCompleted: true }) _probing = ProbeAsync(CancellationToken.None);
            probing = _probing;
        }

        var facts = await probing.WaitAsync(cancellationToken);
        if (facts.Version is not null) _usable = facts;
        return facts;
    }

    private async Task<VmmFacts> ProbeAsync(CancellationToken cancellationToken)
    {
        if (ProgramPath.Find(options.Program) is not { } program)
        {
            return new VmmFacts(null, "none", [new FingerprintProblem(
                $"QEMU ({options.Program}) was not found.", "Install it (Debian: apt-get install qemu-system-x86), or set the option Program to its path.")]);
        }

        Program = program;
        if (await VersionAsync(cancellationToken) is not { } version)
            return new VmmFacts(null, "none", [new FingerprintProblem($"{program} does not tell its version.", "See whether it runs: it may be broken, or not QEMU.")]);
        var (acceleration, problem) = await AccelerationAsync(version, cancellationToken);
        return new VmmFacts(version, acceleration, problem is null ? [] : [problem]);
    }

    private async Task<(string Acceleration, FingerprintProblem? Problem)> AccelerationAsync(string version, CancellationToken cancellationToken)
    {
        const string Slow = "Guests are translated (TCG): a job runs five to twenty times slower than on the host.";
        if (options.Acceleration == Acceleration.Kvm) return ("kvm", null);
        if (options.Acceleration == Acceleration.Tcg) return ("tcg", new FingerprintProblem(Slow, "Set the option Acceleration to Auto where the machine has KVM."));
        if (!CanOpenKvm()) return ("tcg", new FingerprintProblem($"{Slow} {KvmDevice} cannot be opened.", "Enable virtualization in the firmware or the hypervisor, load kvm_intel or kvm_amd, and give this user access to the device."));
        if (await bootsUnderKvm(Program, version, cancellationToken)) return ("kvm", null);
        return ("tcg", new FingerprintProblem($"{Slow} {KvmDevice} is there, but a guest that was tried under it did not boot.", "Use a machine with working (nested) virtualization."));
    }

    private static bool CanOpenKvm()
    {
        try
        {
            using var device = File.OpenHandle(KvmDevice, FileMode.Open, FileAccess.ReadWrite, FileShare.ReadWrite);
            return true;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return false;
        }
    }

    private async Task<string?> VersionAsync(CancellationToken cancellationToken)
    {
        try
        {
            var result = await Cli.Wrap(Program).WithArguments("--version").ExecuteBufferedAsync(cancellationToken);
            return VersionText().Match(result.StandardOutput) is { Success: true } match ? match.Groups["version"].Value : null;
        }
        catch (Exception e) when (e is CommandExecutionException or System.ComponentModel.Win32Exception)
        {
            return null;
        }
    }

    [GeneratedRegex(@"version (?<version>\d+(?:\.\d+)+)", RegexOptions.ExplicitCapture, matchTimeoutMilliseconds: 1000)]
    private static partial Regex VersionText();
}
