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

    /// <summary>Makes an executor. What requests may have of it is not its business but the policy's, which may change while it runs.</summary>
    /// <exception cref="ExecutorException"><see cref="ErrorCode.NotSupported"/> for a name that is not known here.</exception>
    public static Executor Create(string name, DockerOptions docker, ExecutorOptions options, ILoggerFactory loggerFactory) => name switch
    {
        "docker" => DockerExecutor.Create(docker with { Policy = new DockerPolicy { AllowHostNetwork = true, AllowedCapabilities = ["ALL"] } }, options, loggerFactory),
        "process" => ProcessExecutor.Create(new ProcessOptions { AllowHostNetwork = true, AllowedUsers = ["*"] }, options, loggerFactory),
        "qemu" when OperatingSystem.IsLinux() => QemuExecutor.Create(Allowing(new QemuOptions()), options, loggerFactory),
        "firecracker" when OperatingSystem.IsLinux() => FirecrackerExecutor.Create(Allowing(new FirecrackerOptions()), options, loggerFactory),
        _ => throw new ExecutorException(ErrorCode.NotSupported, $"There is no executor '{name}' here; {NearestName.Explain(name, Names)}"),
    };

    [SupportedOSPlatform("linux")]
    private static T Allowing<T>(T options)
        where T : MicroVmOptions => options with { AllowedKernels = ["/"], AllowedImagePaths = ["/"], AllowedCapabilities = ["ALL"] };
}
