using System.Globalization;
using System.Security.Cryptography;
using System.Text;
using Docker.DotNet.Models;

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

    public static CreateContainerParameters Create(ExecutionRequest request, DockerSpec spec, string executorId)
    {
        // The client leaves out what is null, although its models do not say so.
        var parameters = new CreateContainerParameters
        {
            Name = NameOf(executorId, request.ExecutionId),
            Image = spec.Image,
            Platform = spec.Platform!,
            Entrypoint = spec.Entrypoint?.ToList()!,
            Cmd = spec.Cmd?.ToList()!,
            Env = [.. VariablesOf(request, spec).Select(v => $"{v.Key}={v.Value}")],
            WorkingDir = spec.WorkingDirectory!,
            User = spec.User!,
            Hostname = spec.Hostname!,
            StopSignal = spec.StopSignal?.Name!,
            AttachStdout = true,
            AttachStderr = true,
            Labels = LabelsOf(request, executorId),
            HostConfig = HostConfigOf(request, spec),
        };
        AddPorts(parameters, request.Network);
        return parameters;
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
        var host = new HostConfig
        {
            NetworkMode = network.EffectiveMode switch { NetworkMode.Bridge => "bridge", NetworkMode.Host => "host", _ => "none" },
            CapDrop = spec.Privileged ? [] : ["ALL"],
            CapAdd = [.. spec.CapAdd],
            Privileged = spec.Privileged,
            SecurityOpt = ["no-new-privileges"],
            ReadonlyRootfs = spec.ReadOnlyRoot,
            Init = spec.Init ?? true,
            PidsLimit = resources.Pids,
            NanoCPUs = (long)((resources.Cpu ?? 0) * 1e9),
            LogConfig = LogConfigOf(request.LogLimits),
            Mounts = [.. MountsOf(request)],
            StorageOpt = resources.Disk is { } disk ? new Dictionary<string, string> { ["size"] = disk.ToString(CultureInfo.InvariantCulture) } : null!,
            DNS = [.. network.Dns],
        };
        if (resources.Memory is { } memory)
        {
            host.Memory = memory;

            // Equal to the memory limit means no swap at all.
            host.MemorySwap = memory;
        }

        if (network.EffectiveMode == NetworkMode.Bridge) host.ExtraHosts = [$"host.docker.internal:{network.GatewayIp ?? "host-gateway"}"];
        GpuDevices.Add(host, resources.Gpus);
        return host;
    }

    // The Engine's own copy of the output serves only to go on after a restart of ours; it must hold what our log will hold. The 'local'
    // driver keeps bytes as they are ('json-file' replaces what is not UTF-8). Short lines cost it some 30 bytes each.
    private static LogConfig LogConfigOf(LogLimits limits)
    {
        var size = Math.Clamp(limits.MaxBytesPerStream, 1L << 20, 1L << 40) * 4;
        return new LogConfig
        {
            Type = "local",
            Config = new Dictionary<string, string> { ["max-size"] = size.ToString(CultureInfo.InvariantCulture), ["max-file"] = "1", ["compress"] = "false" },
        };
    }

    private static IEnumerable<Mount> MountsOf(ExecutionRequest request)
    {
        foreach (var input in request.Inputs) yield return new Mount { Type = "bind", Source = input.Source, Target = input.Target, ReadOnly = input.ReadOnly };
        foreach (var output in request.Outputs)
            yield return new Mount { Type = "bind", Source = Path.Combine(request.ResultsDir!, output.Source), Target = output.Target };
    }

    private static void AddPorts(CreateContainerParameters parameters, NetworkSpec network)
    {
        if (network.EffectiveMode != NetworkMode.Bridge || network.Ports.Count == 0) return;
        var exposed = new Dictionary<string, EmptyStruct>();
        var bound = new Dictionary<string, IList<PortBinding>>();
        foreach (var port in network.Ports)
        {
            var key = PortKey(port);
            exposed[key] = default;
            if (!bound.TryGetValue(key, out var bindings)) bound[key] = bindings = [];
            bindings.Add(new PortBinding { HostIP = HostIpOf(port), HostPort = port.HostPort.ToString(CultureInfo.InvariantCulture) });
        }

        parameters.ExposedPorts = exposed;
        parameters.HostConfig!.PortBindings = bound;
    }

    /// <summary>The host address to listen on: loopback, unless another is asked for.</summary>
    public static string HostIpOf(PortMapping port) => port.HostIp ?? "127.0.0.1";

    /// <summary>The Engine's name of a port: <c>80/tcp</c>.</summary>
    public static string PortKey(PortMapping port) => $"{port.ExecutorPort}/{(port.Protocol == PortProtocol.Udp ? "udp" : "tcp")}";
}
