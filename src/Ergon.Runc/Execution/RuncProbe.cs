using System.Runtime.InteropServices;
using System.Runtime.Versioning;
using Ergon.Images.Files;
using Ergon.Linux;
using Ergon.Networks;
using Ergon.Runc.Bundles;
using Ergon.Runc.Containers;

namespace Ergon.Runc.Execution;

/// <summary>Tells what the executor can do here, and what to do where it cannot.</summary>
[SupportedOSPlatform("linux")]
internal static class RuncProbe
{
    private static readonly TimeSpan VersionTime = TimeSpan.FromSeconds(10);

    /// <summary>What is missing where no cgroups can be made: without one, nothing holds the processes of a container together.</summary>
    public static FingerprintProblem NoCgroups { get; } = new(
        "No cgroups can be made here, and each container needs one.", "Run Ergon where it may make cgroups: as root, or in a systemd unit with Delegate=yes.");

    public static async Task<ExecutorFingerprint> TakeAsync(RuncParts parts, CancellationToken cancellationToken)
    {
        var problems = new List<FingerprintProblem>();
        var version = await FindVersionAsync(parts, problems, cancellationToken);
        if (!ContainerInit.IsSupported) problems.Add(new("Containers need the first process that Ergon brings, which there is for x86-64 only.", "Use the docker executor."));
        else if (Libc.EffectiveUserId() != 0) problems.Add(new("Containers need root: for mounts, namespaces and cgroups.", "Run Ergon as root, or use the docker executor."));
        else if (!parts.Cgroups.IsUsable) problems.Add(NoCgroups);
        var (refusal, unconnected) = version is null || problems.Count > 0 ? default : await TryAsync(parts);
        if (refusal is not null) problems.Add(refusal);
        var available = version is not null && problems.Count == 0;
        var network = await parts.Networks.ProbeAsync(unconnected, cancellationToken);
        if (network is not null) problems.Add(network);
        AddMinor(parts.Cgroups, problems);
        return new ExecutorFingerprint
        {
            Executor = RuncSpec.Type,
            Available = available,
            Version = version,
            Capabilities = Capabilities(parts, network is null),
            Problems = problems,
            Details = new Dictionary<string, string> { ["runtime"] = parts.FindRuntime() ?? parts.Options.Runtime, ["cgroups"] = parts.Cgroups.Layout },
        };
    }

    private static async Task<string?> FindVersionAsync(RuncParts parts, List<FingerprintProblem> problems, CancellationToken cancellationToken)
    {
        const string Remedy = "Install it ('apt-get install runc'), or name it in the options (Runtime).";
        if (parts.FindRuntime() is not { } program)
        {
            problems.Add(new($"The OCI runtime '{parts.Options.Runtime}' was not found.", Remedy));
            return null;
        }

        using var deadline = new CancellationTokenSource(VersionTime, parts.Time);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(deadline.Token, cancellationToken);
        try
        {
            return await AskVersionAsync(program, either.Token);
        }
        catch (Exception e) when (e is System.ComponentModel.Win32Exception or OperationCanceledException && !cancellationToken.IsCancellationRequested)
        {
            problems.Add(new($"The OCI runtime {program} cannot be run: {e.Message}.", Remedy));
            return null;
        }
    }

    private static async Task<string> AskVersionAsync(string program, CancellationToken cancellationToken)
    {
        using var process = System.Diagnostics.Process.Start(new System.Diagnostics.ProcessStartInfo(program, "--version") { UseShellExecute = false, RedirectStandardOutput = true })!;
        try
        {
            var text = await process.StandardOutput.ReadToEndAsync(cancellationToken);
            await process.WaitForExitAsync(cancellationToken);
            return text.Split('\n')[0].Split(' ')[^1];
        }
        catch (OperationCanceledException)
        {
            process.Kill();
            throw;
        }
    }

    // What a container lives in, without a container; then, what keeps it from being connected to a network.
    private static async Task<(FingerprintProblem? Refusal, FingerprintProblem? Unconnected)> TryAsync(RuncParts parts)
    {
        var paths = new BundlePaths(Directory.CreateTempSubdirectory("ergon-probe-").FullName);
        try
        {
            BundleWriter.MakeDirectories(paths);
            var request = new KeeperRequest { Mark = ContainerHome.Keepers.Of("probe", "probe") };
            using var home = await ContainerHome.CreateAsync(request, paths, [parts.MountPoints], ownNetwork: true, parts.Events);
            using var inside = home.Keeper.OpenNamespace("net");
            var unconnected = NamespaceConnection.Probe(inside);
            await home.DestroyAsync();
            return (null, unconnected);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return (new($"A container's root file system cannot be mounted: {e.Message}.", "Give Ergon CAP_SYS_ADMIN (in a container: --privileged), with its data on a file system that overlayfs can write on (not on another overlay)."), null);
        }
        finally
        {
            DirectoryTree.Remove(paths.WorkDirectory);
        }
    }

    private static void AddMinor(ContainerCgroups cgroups, List<FingerprintProblem> problems)
    {
        const string Remedy = "Run Ergon where it may make cgroups: as root, or in a systemd unit with Delegate=yes.";
        if (!cgroups.Abilities.Memory) problems.Add(new("There is no memory cgroup: memory limits are not kept, and running out of memory is not told apart.", Remedy));
        if (!cgroups.Abilities.Freeze) problems.Add(new("There is no cgroup v2 freezer: executions cannot be paused.", "Mount the cgroup2 file system, for example on /sys/fs/cgroup/unified."));
        if (!NativeLibrary.TryLoad(SeccompFilter.Library, out var library))
            problems.Add(new("libseccomp is not installed: runc makes the filter of each container anew, which doubles the time that a start takes.", "Install the package 'libseccomp2'."));
        else NativeLibrary.Free(library);
    }

    private static ExecutorCapabilities Capabilities(RuncParts parts, bool hasBridge) => new()
    {
        Images = true,
        Pause = parts.Cgroups.Abilities.Freeze,
        Exec = true,
        Stats = true,
        MemoryLimit = parts.Cgroups.Abilities.Memory,
        CpuLimit = parts.Cgroups.Abilities.Cpu,
        PidsLimit = parts.Cgroups.Abilities.Pids,
        FileSystemIsolation = true,
        WritableInputs = true,
        Networks = [NetworkMode.None, .. hasBridge ? [NetworkMode.Bridge] : Array.Empty<NetworkMode>(), .. parts.Options.Policy.AllowHostNetwork ? [NetworkMode.Host] : Array.Empty<NetworkMode>()],
        ExactSignals = true,
        Recovery = true,
    };
}
