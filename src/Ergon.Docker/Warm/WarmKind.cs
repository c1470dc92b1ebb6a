using Ergon.Docker.Api;

namespace Ergon.Docker.Warm;

/// <summary>What containers must have in common so that one can stand in for another.</summary>
/// <param name="Key">Equal for equal kinds.</param>
/// <param name="Image">The image, as requests name it.</param>
/// <param name="Describe">How one is made for a request of this kind.</param>
internal sealed record WarmKind(string Key, string Image, Func<ContainerConfig> Describe)
{
    /// <summary>The kind of container that a request needs; <see langword="null"/>: it needs one that is made for it.</summary>
    public static WarmKind? Of(ExecutionRequest request, DockerSpec spec, string executorId)
    {
        var madeForIt = request.Inputs.Count + request.Outputs.Count + request.ProvisionScripts.Count + request.Network.Ports.Count + request.Resources.Gpus.Count > 0;
        if (madeForIt || spec.Privileged || spec.PullPolicy == PullPolicy.Always) return null;
        var (resources, network) = (request.Resources, request.Network);
        object?[] parts =
        [
            executorId, spec.Image, spec.Platform, spec.WorkingDirectory, spec.User, spec.Hostname, spec.StopSignal, spec.ReadOnlyRoot, spec.Init,
            string.Join(' ', spec.CapAdd.Order(StringComparer.Ordinal)), network.EffectiveMode, network.GatewayIp, string.Join(' ', network.Dns),
            resources.Cpu, resources.Memory, resources.Pids, resources.Disk, request.LogLimits.MaxBytesPerStream,
        ];
        return new WarmKind(string.Join('\0', parts), spec.Image, () => ContainerSpec.Create(request, spec, executorId));
    }

    /// <summary>Whether one can stand in for the other.</summary>
    public bool Equals(WarmKind? other) => other is not null && Key == other.Key;

    public override int GetHashCode() => string.GetHashCode(Key, StringComparison.Ordinal);
}
