using System.Runtime.Versioning;
using Ergon.Docker;
using Ergon.MicroVm;
using Ergon.MicroVm.Firecracker;
using Ergon.MicroVm.Qemu;
using Ergon.Process;
using Ergon.Runc;
using Microsoft.Extensions.Logging;

namespace Ergon.Daemon.Executors;

/// <summary>Makes executors by name.</summary>
internal static class ExecutorFactory
{
    private static readonly string[] Everywhere = ["/"];
    private static readonly string[] AnyCapability = ["ALL"];

    /// <summary>The executors that this system can have.</summary>
    public static IReadOnlyList<string> Names { get; } =
        OperatingSystem.IsLinux() ? ["docker", "runc", "process", "qemu", "firecracker"] : ["docker", "process"];

    /// <summary>
    /// Makes an executor. What requests may have of it is not its business but that of whoever asks: the daemon's policy, which may change while it
    /// runs, or the person who types a command.
    /// </summary>
    /// <exception cref="ExecutorException"><see cref="ErrorCode.NotSupported"/> for a name that is not known here.</exception>
    public static Executor Create(string name, DockerOptions docker, ExecutorOptions? options = null, ILoggerFactory? loggerFactory = null) => name switch
    {
        "docker" => DockerExecutor.Create(docker with { Policy = new DockerPolicy { AllowHostNetwork = true, AllowedCapabilities = AnyCapability } }, options, loggerFactory),
        "process" => ProcessExecutor.Create(new ProcessOptions { AllowHostNetwork = true, AllowedUsers = ["*"] }, options, loggerFactory),
        "runc" when OperatingSystem.IsLinux() => RuncExecutor.Create(new RuncOptions { Policy = ForRunc }, options, loggerFactory),
        "qemu" when OperatingSystem.IsLinux() => QemuExecutor.Create(Allowing(new QemuOptions()), options, loggerFactory),
        "firecracker" when OperatingSystem.IsLinux() => FirecrackerExecutor.Create(Allowing(new FirecrackerOptions()), options, loggerFactory),
        "qemu" or "firecracker" or "runc" => throw new ExecutorException(ErrorCode.NotSupported, $"The executor '{name}' needs Linux."),
        _ => throw new ExecutorException(ErrorCode.NotSupported, $"There is no executor '{name}' here; {NearestName.Explain(name, Names)}"),
    };

    private static RuncPolicy ForRunc => new() { AllowHostNetwork = true, AllowedCapabilities = AnyCapability, AllowedImagePaths = Everywhere };

    [SupportedOSPlatform("linux")]
    private static T Allowing<T>(T options)
        where T : MicroVmOptions => options with { AllowedKernels = Everywhere, AllowedImagePaths = Everywhere, AllowedCapabilities = AnyCapability };
}
