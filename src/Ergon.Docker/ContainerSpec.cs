using System.Globalization;
using System.Security.Cryptography;
using System.Text;
using Ergon.Docker.Api;

namespace Ergon.Docker;

/// <summary>Maps a request onto the parameters of a container. Hardened by default: what a request does not ask for, it does not get.</summary>
internal static class ContainerSpec
{
    public const string ExecutorLabel = "ergon.executor";
    public const string JobLabel = "ergon.job";
    public const string ExecutionLabel = "ergon.execution";
    private const string CallerLabelPrefix = "ergon.label.";
    private const int MaxNameLength = 200;

    /// <summary>The name of an execution's container, which finds it even when the Engine's answer to the creation was lost.</summary>
    public static string NameOf(string executorId, ExecutionId id)
    {
        var name = $"ergon-{executorId}-{id}";
        return name.Length <= MaxNameLength ? name : "ergon-" + Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(name)));
    }

    public static ContainerConfig Create(ExecutionRequest request, DockerSpec spec, string executorId)
    {
        var ports = request.Network.EffectiveMode == NetworkMode.Bridge ? BindingsOf(request.Network.Ports) : null;
        return new ContainerConfig
        {
            Name = NameOf(executorId, request.ExecutionId),
            Image = spec.Image,
            Platform = spec.Platform,
            Entrypoint = spec.Entrypoint,
            Cmd = spec.Cmd,
            Env = [.. VariablesOf(request, spec).Select(v => $"{v.Key}={v.Value}")],
            WorkingDir = spec.WorkingDirectory,
            User = spec.User,
            Hostname = spec.Hostname,
            StopSignal = spec.StopSignal?.Name,
            AttachStdout = true,
            AttachStderr = true,
            Labels = LabelsOf(request, executorId),
            ExposedPorts = ports?.ToDictionary(p => p.Key, _ => new EmptyObject()),
            HostConfig = GpuDevices.Add(HostConfigOf(request, spec) with { PortBindings = ports }, request.Resources.Gpus),
        };
    }

    /// <summary>The variables that win over the image's.</summary>
    public static Dictionary<string, string> VariablesOf(ExecutionRequest request, DockerSpec spec)
    {
        var variables = new Dictionary<string, string>(spec.Environment, StringComparer.Ordinal);
        foreach (var (name, value) in request.Environment) variables[name] = value;
        return variables;
    }

    private static Dictionary<string, string> LabelsOf(ExecutionRequest request, string executorId)
    {
        var labels = request.Labels.ToDictionary(l => CallerLabelPrefix + l.Key, l => l.Value);
        labels[ExecutorLabel] = executorId;
        labels[JobLabel] = request.JobId.Value;
        labels[ExecutionLabel] = request.ExecutionId.Value;
        return labels;
    }

    private static HostConfig HostConfigOf(ExecutionRequest request, DockerSpec spec)
    {
        var (resources, network) = (request.Resources, request.Network);
        return new HostConfig
        {
            NetworkMode = network.EffectiveMode switch { NetworkMode.Bridge => "bridge", NetworkMode.Host => "host", _ => "none" },
            CapDrop = spec.Privileged ? [] : ["ALL"],
            CapAdd = [.. spec.CapAdd],
            Privileged = spec.Privileged,
            SecurityOpt = ["no-new-privileges"],
            ReadonlyRootfs = spec.ReadOnlyRoot,
            Init = spec.Init ?? true,
            PidsLimit = resources.Pids,
            NanoCpus = (long)((resources.Cpu ?? 0) * 1e9),
            LogConfig = LogConfigOf(request.LogLimits),
            Mounts = [.. MountsOf(request)],
            StorageOpt = resources.Disk is { } disk ? new Dictionary<string, string> { ["size"] = disk.ToString(CultureInfo.InvariantCulture) } : null,
            Dns = [.. network.Dns],
            ExtraHosts = network.EffectiveMode == NetworkMode.Bridge ? [$"host.docker.internal:{network.GatewayIp ?? "host-gateway"}"] : null,

            // Both equal means no swap at all.
            Memory = resources.Memory ?? 0,
            MemorySwap = resources.Memory ?? 0,
        };
    }

    // The Engine's own copy of the output serves only to go on after a restart of ours; it must hold what our log will hold. The 'local'
    // driver keeps bytes as they are ('json-file' replaces what is not UTF-8). Short lines cost it some 30 bytes each.
    private static LogConfig LogConfigOf(LogLimits limits)
    {
        var size = Math.Clamp(limits.MaxBytesPerStream, 1L << 20, 1L << 40) * 4;
        return new LogConfig(
            "local", new Dictionary<string, string> { ["max-size"] = size.ToString(CultureInfo.InvariantCulture), ["max-file"] = "1", ["compress"] = "false" });
    }

    private static IEnumerable<Mount> MountsOf(ExecutionRequest request)
    {
        foreach (var input in request.Inputs) yield return new Mount("bind", input.Target) { Source = input.Source, ReadOnly = input.ReadOnly };
        foreach (var output in request.Outputs)
            yield return new Mount("bind", output.Target) { Source = Path.Combine(request.ResultsDir!, output.Source) };
    }

    private static Dictionary<string, IReadOnlyList<PortBinding>>? BindingsOf(IReadOnlyList<PortMapping> ports) => ports.Count == 0
        ? null
        : ports.GroupBy(PortKey).ToDictionary(
            g => g.Key, g => (IReadOnlyList<PortBinding>)[.. g.Select(p => new PortBinding(HostIpOf(p), p.HostPort.ToString(CultureInfo.InvariantCulture)))]);

    /// <summary>The host address to listen on: loopback, unless another is asked for.</summary>
    public static string HostIpOf(PortMapping port) => port.HostIp ?? "127.0.0.1";

    /// <summary>The Engine's name of a port: <c>80/tcp</c>.</summary>
    public static string PortKey(PortMapping port) => $"{port.ExecutorPort}/{(port.Protocol == PortProtocol.Udp ? "udp" : "tcp")}";
}
