using Ergon.Drivers;
using Ergon.Images;

namespace Ergon.MicroVm.Execution;

/// <summary>Decides what a request may have of a microVM executor.</summary>
internal sealed class RequestPolicy(MicroVmOptions options, IReadOnlyList<string> machineTypes, bool hasMetadata)
{
    private const long LeastMemory = 16L * 1024 * 1024;
    private const long LeastDisk = 8L * 1024 * 1024;
    private const int MaxCpus = 32;

    /// <summary>Adds everything that is wrong with a request for any guest, or not allowed by the operator.</summary>
    public void Check(ExecutionRequest request, MicroVmSpec spec, RequestProblems problems)
    {
        CheckResources(request.Resources, problems);
        CheckNetwork(request.Network, problems);
        CheckVolumes(request, spec, problems);
        foreach (var capability in spec.CapAdd.Where(c => !Capability.IsAllowed(c, options.AllowedCapabilities)))
            problems.Forbidden(SpecParameters.Field("cap_add"), $"'{capability}' is not among the capabilities that the operator allows (AllowedCapabilities).");
        if (spec.Machine is { } machine && !machineTypes.Contains(machine))
            problems.NotSupported(SpecParameters.Field("machine"), machineTypes.Count == 0 ? "has no meaning for this executor." : $"is '{machine}'; give {string.Join(" or ", machineTypes)}.");
        if (spec.MmdsMessage is not null && !hasMetadata)
            problems.NotSupported(SpecParameters.Field("mmds_message"), "needs a metadata service, which only the firecracker executor has.");
        CheckPath("image", spec.Image is { } image && ImageSource.TryParse(image, out var source, out _) ? source.Path : null, options.AllowedImagePaths, nameof(options.AllowedImagePaths), problems);
        CheckPath("root_file_system", spec.RootFileSystem, options.AllowedImagePaths, nameof(options.AllowedImagePaths), problems);
        CheckPath("initrd_path", spec.InitrdPath, options.AllowedImagePaths, nameof(options.AllowedImagePaths), problems);
        CheckPath("kernel_image", spec.KernelImage, options.AllowedKernels, nameof(options.AllowedKernels), problems);
    }

    private static void CheckResources(Resources resources, RequestProblems problems)
    {
        if (resources.Gpus.Count > 0) problems.NotSupported("resources.gpus", "cannot be given to a microVM; use the docker executor.");
        if (resources.Memory < LeastMemory) problems.Invalid("resources.memory", $"is {resources.Memory} bytes; a guest needs at least {LeastMemory}.");
        if (resources.Disk < LeastDisk) problems.Invalid("resources.disk", $"is {resources.Disk} bytes; a scratch disk has at least {LeastDisk}.");
        if (resources.Cpu > MaxCpus) problems.NotSupported("resources.cpu", $"is {resources.Cpu}; a guest has at most {MaxCpus} virtual CPUs.");
    }

    private void CheckNetwork(NetworkSpec network, RequestProblems problems)
    {
        if (network.EffectiveMode == NetworkMode.Host)
            problems.NotSupported("network.mode", "is host, but a guest has a network of its own; ask for bridge or none.");
        if (network.EffectiveMode == NetworkMode.Bridge && !options.AllowBridgeNetwork)
            problems.Forbidden(network.Mode is null ? "network.ports" : "network.mode", "needs a bridge network, which the operator does not allow (AllowBridgeNetwork).");
    }

    private static void CheckVolumes(ExecutionRequest request, MicroVmSpec spec, RequestProblems problems)
    {
        for (var i = 0; i < request.Inputs.Count; i++)
        {
            if (spec.Image is null) problems.NotSupported($"inputs[{i}]", "cannot be given to a guest with its own init; name an image.");
            else if (!request.Inputs[i].ReadOnly)
                problems.NotSupported($"inputs[{i}].read_only", "is false, but inputs enter a guest as read-only images; set it to true, and bring changes out as an output.");
        }

        if (spec.Image is not null) return;
        if (request.Outputs.Count > 0) problems.NotSupported("outputs", "cannot be had from a guest with its own init; name an image.");
        if (request.ProvisionScripts.Count > 0) problems.NotSupported("provision_scripts", "cannot be run in a guest with its own init; name an image.");
        if (request.Environment.Count > 0) problems.NotSupported("environment", "cannot be given to a guest with its own init; name an image, or use kernel_args.");
    }

    private static void CheckPath(string name, string? path, IReadOnlyList<string> allowed, string option, RequestProblems problems)
    {
        if (path is not null && path.StartsWith('/') && !HostPath.IsWithinAny(HostPath.Resolve(path), allowed))
            problems.Forbidden(SpecParameters.Field(name), $"names {path}, which the operator does not allow ({option}).");
    }
}
