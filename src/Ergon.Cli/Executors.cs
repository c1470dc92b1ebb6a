using System.Runtime.Versioning;
using Ergon.Docker;
using Ergon.MicroVm;
using Ergon.MicroVm.Firecracker;
using Ergon.MicroVm.Qemu;
using Ergon.Process;

namespace Ergon.Cli;

/// <summary>The executors that this command knows. Who types a command is its own operator: what the machine allows, it may do.</summary>
internal static class Executors
{
    public static readonly string[] Names = ["docker", "process", "qemu", "firecracker"];

    /// <exception cref="ExecutorException"><see cref="ErrorCode.NotSupported"/> for a name that it does not know.</exception>
    public static Executor Create(string name) => name switch
    {
        "docker" => DockerExecutor.Create(new DockerOptions
        {
            ConnectEarly = true,
            Policy = new DockerPolicy { AllowHostNetwork = true },
        }),
        "process" => ProcessExecutor.Create(new ProcessOptions { AllowHostNetwork = true, AllowedUsers = ["*"] }),
        "qemu" when OperatingSystem.IsLinux() => QemuExecutor.Create(Allowing(new QemuOptions())),
        "firecracker" when OperatingSystem.IsLinux() => FirecrackerExecutor.Create(Allowing(new FirecrackerOptions())),
        "qemu" or "firecracker" => throw new ExecutorException(ErrorCode.NotSupported, $"The executor '{name}' needs Linux."),
        _ => throw new ExecutorException(ErrorCode.NotSupported, $"There is no executor '{name}' here; {NearestName.Explain(name, Names)}"),
    };

    [SupportedOSPlatform("linux")]
    private static T Allowing<T>(T options)
        where T : MicroVmOptions => options with { AllowedKernels = ["/"], AllowedImagePaths = ["/"], AllowedCapabilities = ["ALL"] };
}
