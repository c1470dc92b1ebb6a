using System.Text.RegularExpressions;
using CliWrap;
using CliWrap.Buffered;
using CliWrap.Exceptions;
using Ergon.MicroVm.Vmm;

namespace Ergon.MicroVm.Firecracker;

/// <summary>Finds Firecracker and finds out, once, whether it can be used here.</summary>
internal sealed partial class FirecrackerProbe(FirecrackerOptions options)
{
    private static readonly Version Oldest = new(1, 7);

    // It only prints its version.
    private static readonly TimeSpan Deadline = TimeSpan.FromSeconds(20);

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
            if (_probing is null or { IsCompleted: true }) _probing = ProbeAsync();
            probing = _probing;
        }

        var facts = await probing.WaitAsync(cancellationToken);
        if (facts.Version is not null) _usable = facts;
        return facts;
    }

    private async Task<VmmFacts> ProbeAsync()
    {
        if (ProgramPath.Find(options.Program) is not { } program)
            return None($"Firecracker ({options.Program}) was not found.", "Download a release of Firecracker and put it into PATH, or set the option Program to its path.");
        Program = program;
        if (await VersionAsync() is not { } version) return None($"{program} does not tell its version.", "See whether it runs: it may be broken, or not Firecracker.");
        if (version < Oldest) return None($"Firecracker {version} is too old.", $"Install version {Oldest} or newer.");
        return new VmmFacts(version.ToString(), "kvm", KvmProblem() is { } problem ? [problem] : []);
    }

    // Root gives its user the device.
    private static FingerprintProblem? KvmProblem()
    {
        const string Device = FirecrackerVmm.KvmDevice;
        if (!File.Exists(Device))
            return new FingerprintProblem($"There is no {Device}, without which Firecracker starts no guest.", "Enable virtualization in the firmware or the hypervisor, and load kvm_intel or kvm_amd; or use the qemu executor.");
        try
        {
            using var device = File.OpenHandle(Device, FileMode.Open, FileAccess.ReadWrite, FileShare.ReadWrite);
            return null;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return new FingerprintProblem($"{Device} cannot be opened, without which Firecracker starts no guest: {e.Message}", "Give this user access to the device, such as by the group kvm; or use the qemu executor.");
        }
    }

    private async Task<Version?> VersionAsync()
    {
        using var deadline = new CancellationTokenSource(Deadline, TimeProvider.System);
        try
        {
            var result = await Cli.Wrap(Program).WithArguments("--version").ExecuteBufferedAsync(deadline.Token);
            return VersionText().Match(result.StandardOutput) is { Success: true } match && Version.TryParse(match.Groups["version"].Value, out var version) ? version : null;
        }
        catch (Exception e) when (e is CommandExecutionException or System.ComponentModel.Win32Exception or OperationCanceledException)
        {
            return null;
        }
    }

    private static VmmFacts None(string problem, string remedy) => new(null, "none", [new FingerprintProblem(problem, remedy)]);

    [GeneratedRegex(@"v(?<version>\d+\.\d+\.\d+)", RegexOptions.ExplicitCapture, matchTimeoutMilliseconds: 1000)]
    private static partial Regex VersionText();
}
