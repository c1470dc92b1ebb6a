using System.Runtime.Versioning;
using Ergon.Docker;
using Ergon.MicroVm;
using Ergon.MicroVm.Firecracker;
using Ergon.MicroVm.Qemu;
using Ergon.Process;
using Microsoft.Extensions.Logging;

namespace Ergon.Daemon.Executors;

/// <summary>Makes the executors of a daemon.</summary>
internal static class ExecutorFactory
{
    public static IReadOnlyList<string> Names { get; } =
        OperatingSystem.IsLinux() ? ["docker", "process", "qemu", "firecracker"] : ["docker", "process"];

    /// <exception cref="ExecutorException"><see cref="ErrorCode.NotSupported"/> for a name that is not known here.</exception>
    public static Executor Create(string name, DaemonPolicy policy, ExecutorOptions options, ILoggerFactory loggerFactory) => name switch
    {
        "docker" => DockerExecutor.Create(new DockerOptions { Policy = ForDocker(policy) }, options, loggerFactory),
        "process" => ProcessExecutor.Create(new ProcessOptions { AllowHostNetwork = policy.AllowsHostNetwork, AllowedUsers = policy.Users }, options, loggerFactory),
        "qemu" when OperatingSystem.IsLinux() => QemuExecutor.Create(Allowing(new QemuOptions(), policy), options, loggerFactory),
        "firecracker" when OperatingSystem.IsLinux() => FirecrackerExecutor.Create(Allowing(new FirecrackerOptions(), policy), options, loggerFactory),
        _ => throw new ExecutorException(ErrorCode.NotSupported, $"There is no executor '{name}' here; {NearestName.Explain(name, Names)}"),
    };

    private static DockerPolicy ForDocker(DaemonPolicy policy) => new() { AllowHostNetwork = policy.AllowsHostNetwork, AllowedCapabilities = [.. policy.Capabilities] };

    // Kernels and root file systems are files of the host, as inputs are: from the same directories.
    [SupportedOSPlatform("linux")]
    private static T Allowing<T>(T options, DaemonPolicy policy)
        where T : MicroVmOptions => options with
        {
            AllowedKernels = policy.VolumeRoots.Count == 0 ? ["/"] : policy.VolumeRoots,
            AllowedImagePaths = policy.VolumeRoots.Count == 0 ? ["/"] : policy.VolumeRoots,
            AllowedCapabilities = policy.Capabilities,
        };
}
