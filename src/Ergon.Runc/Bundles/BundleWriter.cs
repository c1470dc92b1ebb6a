using System.Text.Json;
using Ergon.Images.Files;
using Ergon.Linux;
using Ergon.Networks;
using Ergon.Runc.Containers;

namespace Ergon.Runc.Bundles;

/// <summary>Writes the files of a container: its configuration, and what is mounted into it.</summary>
/// <param name="plan">The container.</param>
/// <param name="paths">Where its parts lie.</param>
/// <param name="cgroupsPath">Its cgroup, as runc is told it.</param>
[System.Runtime.Versioning.SupportedOSPlatform("linux")]
internal sealed class BundleWriter(ContainerPlan plan, BundlePaths paths, string cgroupsPath)
{
    private const UnixFileMode Readable = (UnixFileMode)0x1A4; // 0644
    private const UnixFileMode Executable = (UnixFileMode)0x1ED; // 0755

    // A daemon may be spared, its jobs are not; less than its own it may not be allowed to give.
    private static readonly int OomScoreAdj = (int)Math.Max(0, CgroupText.Number(CgroupText.Read("/proc/self/oom_score_adj")) ?? 0);

    // As Docker has them: a job without capabilities may listen on any port of its own network, and ping.
    private static readonly Dictionary<string, string> NetworkSettings = new() { ["net.ipv4.ip_unprivileged_port_start"] = "0", ["net.ipv4.ping_group_range"] = "0 2147483647" };

    private static readonly OciMount[] SystemMounts =
    [
        new("/proc", "proc", "proc", ["nosuid", "noexec", "nodev"]),
        new("/dev", "tmpfs", "tmpfs", ["nosuid", "strictatime", "mode=755", "size=65536k"]),
        new("/dev/pts", "devpts", "devpts", ["nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620", "gid=5"]),
        new("/sys", "sysfs", "sysfs", ["nosuid", "noexec", "nodev", "ro"]),
        new("/sys/fs/cgroup", "cgroup", "cgroup", ["nosuid", "noexec", "nodev", "relatime", "ro"]),
        new("/dev/mqueue", "mqueue", "mqueue", ["nosuid", "noexec", "nodev"]),
        new("/dev/shm", "tmpfs", "shm", ["nosuid", "noexec", "nodev", "mode=1777", "size=65536k"]),
    ];

    /// <summary>Makes the directories that must be there before the root file system is mounted.</summary>
    public static void MakeDirectories(BundlePaths paths)
    {
        foreach (var directory in (string[])[paths.Upper, paths.Work]) Directory.CreateDirectory(directory);
        // The root directory of the container is the upper one's.
        File.SetUnixFileMode(paths.Upper, Executable);
    }

    /// <summary>Removes them, once no mount namespace uses them any more.</summary>
    public static void RemoveDirectories(BundlePaths paths)
    {
        DirectoryTree.Remove(paths.Upper);
        DirectoryTree.Remove(paths.Work);
    }

    /// <summary>Writes the provision scripts.</summary>
    public void WriteScripts()
    {
        if (plan.Scripts.Count == 0) return;
        Directory.CreateDirectory(paths.Scripts);
        // Whatever the umask of this process is, a job that is not root reads these.
        File.SetUnixFileMode(paths.Scripts, Executable);
        foreach (var script in plan.Scripts) Write(Path.Combine(paths.Scripts, script.FileName), script.Content.Span, Executable);
    }

    /// <summary>Writes the names of hosts and of name servers.</summary>
    /// <param name="home">Where they lie.</param>
    /// <param name="network">The container's own network; <see langword="null"/>: it is on the host's, or has none.</param>
    public void WriteNames(ContainerHome home, BridgeNetwork? network)
    {
        var etc = home.PathOf(paths.Etc);
        var addresses = network is null ? "" : $"{plan.Request.Network.GatewayIp ?? network.Gateway}\thost.docker.internal\n{network.GuestAddress}\t{plan.HostName}\n";
        var hosts = plan.Network == NetworkMode.Host ? CgroupText.Read("/etc/hosts") ?? "" : $"127.0.0.1\tlocalhost\n::1\tlocalhost ip6-localhost ip6-loopback\n{addresses}";
        var nameServers = network?.NameServers ?? plan.Request.Network.Dns;
        var resolver = nameServers.Count == 0 ? CgroupText.Read("/etc/resolv.conf") ?? "" : string.Concat(nameServers.Select(s => $"nameserver {s}\n"));
        Write(Path.Combine(etc, "hostname"), System.Text.Encoding.UTF8.GetBytes(plan.HostName + "\n"), Readable);
        Write(Path.Combine(etc, "hosts"), System.Text.Encoding.UTF8.GetBytes(hosts), Readable);
        Write(Path.Combine(etc, "resolv.conf"), System.Text.Encoding.UTF8.GetBytes(resolver), Readable);
    }

    /// <summary>Writes the configuration.</summary>
    /// <param name="home">Where it lies.</param>
    /// <param name="user">The job's user.</param>
    /// <param name="environment">The job's environment.</param>
    /// <param name="networkPath">The network namespace to join; <see langword="null"/>: the host's, or a new one.</param>
    /// <param name="hasFilter">Whether the first process loads the filter; else runc makes one.</param>
    public void WriteConfiguration(ContainerHome home, UserIdentity user, IReadOnlyDictionary<string, string> environment, string? networkPath, bool hasFilter)
    {
        var config = new OciConfig
        {
            Process = Process(plan, user, plan.Arguments(hasFilter), environment, plan.WorkingDirectory),
            Root = new OciRoot(paths.Root, plan.ReadOnlyRoot),
            Hostname = plan.HostName,
            Mounts = [.. SystemMounts, .. Names(), .. Volumes(), .. Scripts()],
            Linux = new OciLinux
            {
                Resources = new OciResources([new OciDeviceRule(Allow: false, "rwm")]),
                CgroupsPath = cgroupsPath,
                Namespaces = [.. Namespaces(networkPath)],
                Sysctl = plan.Network == NetworkMode.Host ? null : NetworkSettings,
                Seccomp = hasFilter ? null : Seccomp(plan.Capabilities),
                MaskedPaths = [.. ProtectedPaths.MaskedFiles, .. ProtectedPaths.MaskedDirectories],
                ReadonlyPaths = ProtectedPaths.ReadOnly,
            },
        };
        Write(home.PathOf(paths.Configuration), JsonSerializer.SerializeToUtf8Bytes(config, OciJsonContext.Default.OciConfig), Readable);
    }

    /// <summary>Describes a process of the container.</summary>
    public static OciProcess Process(ContainerPlan plan, UserIdentity user, IReadOnlyList<string> arguments, IReadOnlyDictionary<string, string> environment, string directory) => new()
    {
        User = new OciUser(user.Uid, user.Gid, user.Groups),
        Args = arguments,
        Env = [.. environment.Select(v => $"{v.Key}={v.Value}")],
        Cwd = directory,
        Capabilities = new OciCapabilities(plan.Capabilities, plan.Capabilities, plan.Capabilities),
        OomScoreAdj = OomScoreAdj,
    };

    private IEnumerable<OciMount> Names() =>
        ((string[])["hostname", "hosts", "resolv.conf"]).Select(name => new OciMount($"/etc/{name}", "bind", Path.Combine(paths.Etc, name), ["rbind", "rprivate"]));

    // Last: no volume covers them.
    private IEnumerable<OciMount> Scripts() =>
        plan.Scripts.Count == 0 ? [] : [new(ContainerInit.ScriptsDirectory, "bind", paths.Scripts, ["bind", "ro", "nosuid", "nodev"])];

    // Outermost first, so that none covers another.
    private IEnumerable<OciMount> Volumes()
    {
        var request = plan.Request;
        var inputs = request.Inputs.Select(i => (i.Source, i.Target, i.ReadOnly));
        var outputs = request.ResultsDir is null ? [] : request.Outputs.Select(o => (Source: Path.Combine(request.ResultsDir, o.Source), o.Target, ReadOnly: false));
        return inputs.Concat(outputs).OrderBy(v => v.Target.Count(c => c == '/')).Select(v => new OciMount(v.Target, "bind", v.Source, ["rbind", "rprivate", v.ReadOnly ? "ro" : "rw"]));
    }

    private IEnumerable<OciNamespace> Namespaces(string? networkPath)
    {
        foreach (var type in (string[])["pid", "ipc", "uts", "mount", "cgroup"]) yield return new(type);
        if (plan.Network != NetworkMode.Host) yield return new("network", networkPath);
    }

    /// <summary>Describes the filter, for runc to make it.</summary>
    public static OciSeccomp Seccomp(IReadOnlyCollection<string> capabilities) => new()
    {
        Syscalls = [.. SeccompProfile.Select(capabilities).Select(rule => new OciSyscalls(
            rule.Names,
            rule.Errno is null ? "SCMP_ACT_ALLOW" : "SCMP_ACT_ERRNO",
            (uint?)rule.Errno,
            rule.Condition is { } c ? [new OciArgument(c.Argument, c.Value, c.MaskedValue, NameOf(c.Operator))] : null))],
    };

    private static string NameOf(SeccompOperator comparison) => comparison switch
    {
        SeccompOperator.Less => "SCMP_CMP_LT",
        SeccompOperator.Equal => "SCMP_CMP_EQ",
        SeccompOperator.Greater => "SCMP_CMP_GT",
        _ => "SCMP_CMP_MASKED_EQ",
    };

    private static void Write(string path, ReadOnlySpan<byte> content, UnixFileMode mode)
    {
        File.WriteAllBytes(path, content);
        File.SetUnixFileMode(path, mode);
    }
}
