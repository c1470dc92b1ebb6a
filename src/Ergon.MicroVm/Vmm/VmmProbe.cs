using System.Text.RegularExpressions;
using CliWrap;
using CliWrap.Buffered;
using CliWrap.Exceptions;
using Ergon.Linux;

namespace Ergon.MicroVm.Vmm;

/// <summary>Finds a VMM's program and finds out, once, what it can do here.</summary>
/// <param name="title">What the VMM is called.</param>
/// <param name="program">The program, a path or a name.</param>
/// <param name="installation">How a missing one is installed.</param>
internal abstract class VmmProbe(string title, string program, string installation)
{
    public const string KvmDevice = "/dev/kvm";

    // It only prints its version.
    private static readonly TimeSpan VersionDeadline = TimeSpan.FromSeconds(20);

    private readonly Lock _lock = new();
    private Task<VmmFacts>? _probing;
    private VmmFacts? _usable;

    /// <summary>The path of the program.</summary>
    public string Program { get; private set; } = program;

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

    /// <summary>Tells why KVM's device cannot be opened; <see langword="null"/>: it can.</summary>
    protected static string? WhyKvmCannotBeOpened()
    {
        try
        {
            using var device = File.OpenHandle(KvmDevice, FileMode.Open, FileAccess.ReadWrite, FileShare.ReadWrite);
            return null;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return e.Message;
        }
    }

    protected static VmmFacts Unusable(string problem, string remedy) => new(null, "none", [new FingerprintProblem(problem, remedy)]);

    /// <summary>Finds the version, as the group <c>version</c>, in what the program prints about itself.</summary>
    protected abstract Regex VersionText { get; }

    /// <summary>Finds out what a program of some version can do here.</summary>
    protected abstract Task<VmmFacts> ProbeAsync(string version);

    private async Task<VmmFacts> ProbeAsync()
    {
        if (ProgramPath.Find(Program) is not { } found) return Unusable($"{title} ({Program}) was not found.", installation);
        Program = found;
        return await VersionAsync() is { } version
            ? await ProbeAsync(version)
            : Unusable($"{found} does not tell its version.", $"See whether it runs: it may be broken, or not {title}.");
    }

    private async Task<string?> VersionAsync()
    {
        using var deadline = new CancellationTokenSource(VersionDeadline, TimeProvider.System);
        try
        {
            var result = await Cli.Wrap(Program).WithArguments("--version").ExecuteBufferedAsync(deadline.Token);
            return VersionText.Match(result.StandardOutput) is { Success: true } match ? match.Groups["version"].Value : null;
        }
        catch (Exception e) when (e is CommandExecutionException or System.ComponentModel.Win32Exception or OperationCanceledException)
        {
            return null;
        }
    }
}
