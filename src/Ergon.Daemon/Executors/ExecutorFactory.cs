using System.Runtime.Versioning;
using Ergon.Docker;
using Ergon.MicroVm;
using Ergon.MicroVm.Firecracker;
using Ergon.MicroVm.Qemu;
using Ergon.Process;
using Ergon.Runc;
using Microsoft.Extensions.Logging;

namespace Ergon.Daemon.Executors;

/// <summary>How backends are used, whatever requests may have of them.</summary>
internal sealed record BackendOptions
{
    public DockerOptions Docker { get; init; } = new();

    public QemuSettings Qemu { get; init; } = new();

    public FirecrackerSettings Firecracker { get; init; } = new();

    /// <summary>What a daemon's settings say.</summary>
    public static BackendOptions Of(DaemonOptions options) => new() { Docker = options.Docker, Qemu = options.Qemu ?? new(), Firecracker = options.Firecracker ?? new() };
}

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
    public static Executor Create(string name, BackendOptions backends, ExecutorOptions? options = null, ILoggerFactory? loggerFactory = null) => name switch
    {
        "docker" => DockerExecutor.Create(backends.Docker with { Policy = new DockerPolicy { AllowHostNetwork = true, AllowedCapabilities = AnyCapability } }, options, loggerFactory),
        "process" => ProcessExecutor.Create(new ProcessOptions { AllowHostNetwork = true, AllowedUsers = ["*"] }, options, loggerFactory),
        "runc" when OperatingSystem.IsLinux() => RuncExecutor.Create(new RuncOptions { Policy = ForRunc }, options, loggerFactory),
        "qemu" when OperatingSystem.IsLinux() => QemuExecutor.Create(Allowing(backends.Qemu.ApplyTo(new QemuOptions())), options, loggerFactory),
        "firecracker" when OperatingSystem.IsLinux() => FirecrackerExecutor.Create(Allowing(backends.Firecracker.ApplyTo(new FirecrackerOptions())), options, loggerFactory),
        "qemu" or "firecracker" or "runc" => throw new ExecutorException(ErrorCode.NotSupported, $"The executor '{name}' needs Linux."),
        _ => throw new ExecutorException(ErrorCode.NotSupported, $"There is no executor '{name}' here; {NearestName.Explain(name, Names)}"),
    };

    private static RuncPolicy ForRunc => new() { AllowHostNetwork = true, AllowedCapabilities = AnyCapability, AllowedImagePaths = Everywhere };

    [SupportedOSPlatform("linux")]
    private static T Allowing<T>(T options)
        where T : MicroVmOptions => options with { AllowedKernels = Everywhere, AllowedImagePaths = Everywhere, AllowedCapabilities = AnyCapability };
}
