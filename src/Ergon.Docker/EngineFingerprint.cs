using System.Globalization;
using Ergon.Docker.Api;
using Ergon.Docker.Warm;

namespace Ergon.Docker;

/// <summary>Tells what an Engine can do.</summary>
internal static class EngineFingerprint
{
    public static ExecutorFingerprint From(EngineInfo info, string address, DockerPolicy policy, WarmContainers? warm)
    {
        var problems = new List<FingerprintProblem>();
        if (!info.MemoryLimit) problems.Add(new("The kernel does not enforce memory limits.", "Boot it with cgroup_enable=memory."));
        if (info.MemoryLimit && !info.SwapLimit) problems.Add(new("The kernel cannot keep containers from swapping.", "Boot it with swapaccount=1, or switch swap off."));
        if (!info.PidsLimit) problems.Add(new("The kernel does not limit the number of processes.", "Use a kernel with CONFIG_CGROUP_PIDS."));
        if (info.OsType is not "linux") problems.Add(new($"The Engine runs {info.OsType} containers.", "Switch it to Linux containers."));
        if (string.IsNullOrEmpty(info.InitBinary)) problems.Add(new("The Engine has no init: signals do not end jobs that do not handle them.", "Install tini (Debian: 'apt-get install tini')."));
        if (warm?.Problem is { } problem)
            problems.Add(new($"No container can be made ahead of its job: {problem}", "Jobs run all the same, in containers made for them. Put the directory of the option WarmContainers where the Engine sees it too."));
        return new ExecutorFingerprint
        {
            Executor = DockerDriver.DriverName,
            Available = info.OsType is "linux",
            Version = info.ServerVersion,
            Capabilities = Capabilities(info, policy),
            Problems = problems,
            Details = Details(info, address, warm),
        };
    }

    public static ExecutorFingerprint Missing(ExecutorException error)
    {
        // The message ends with the remedy; the first sentence is the problem.
        var end = error.Message.IndexOf(". ", StringComparison.Ordinal);
        return new ExecutorFingerprint
        {
            Executor = DockerDriver.DriverName,
            Available = false,
            Problems = [end < 0 ? new(error.Message, "Start the Docker Engine.") : new(error.Message[..(end + 1)], error.Message[(end + 2)..])],
        };
    }

    private static ExecutorCapabilities Capabilities(EngineInfo info, DockerPolicy policy) => new()
    {
        Images = true,
        Pause = true,
        Exec = true,
        Stats = true,
        MemoryLimit = info.MemoryLimit,
        CpuLimit = info.CpuCfsQuota,
        PidsLimit = info.PidsLimit,
        DiskLimit = info.Driver is "btrfs" or "zfs" or "devicemapper" || (info.Driver == "overlay2" && Status(info, "Backing Filesystem") == "xfs"),
        Gpus = info.Runtimes?.ContainsKey("nvidia") == true || Directory.Exists("/dev/dri"),
        FileSystemIsolation = true,
        WritableInputs = true,
        Networks = policy.AllowHostNetwork ? [NetworkMode.None, NetworkMode.Bridge, NetworkMode.Host] : [NetworkMode.None, NetworkMode.Bridge],
        Recovery = true,
        ExactSignals = false,
    };

    private static Dictionary<string, string> Details(EngineInfo info, string address, WarmContainers? warm) => new()
    {
        ["endpoint"] = address,
        ["operating_system"] = info.OperatingSystem ?? "",
        ["kernel"] = info.KernelVersion ?? "",
        ["architecture"] = info.Architecture ?? "",
        ["storage_driver"] = info.Driver ?? "",
        ["cgroup_version"] = info.CgroupVersion ?? "",
        ["cpus"] = info.Cpus.ToString(CultureInfo.InvariantCulture),
        ["memory"] = ByteSize.Format(info.Memory),
        ["live_restore"] = info.LiveRestoreEnabled ? "on" : "off",
        ["warm_containers"] = warm is null ? "off" : $"{warm.Waiting} waiting",
    };

    private static string? Status(EngineInfo info, string key) => info.DriverStatus?.FirstOrDefault(s => s is [var name, ..] && name == key)?[1];
}
