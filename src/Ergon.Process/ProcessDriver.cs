using Ergon.Drivers;
using Ergon.Process.Native;
using Ergon.Process.Portable;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;

namespace Ergon.Process;

/// <summary>Runs jobs as local processes: in a sandbox where the kernel and our rights allow it, and never pretending where not.</summary>
internal sealed class ProcessDriver : IExecutionDriver
{
    private readonly ProcessOptions _options;
    private readonly IProcessBackend _backend;

    public ProcessDriver(ProcessOptions? options = null, ILoggerFactory? loggerFactory = null, TimeProvider? timeProvider = null)
    {
        _options = options ?? new ProcessOptions();
        var logger = (loggerFactory ?? NullLoggerFactory.Instance).CreateLogger("Ergon.Process");
        var time = timeProvider ?? TimeProvider.System;
        _backend = OperatingSystem.IsLinux() && NativeBackend.IsSupported
            ? new NativeBackend(_options, Protections.DetectAsync, logger, time)
            : new PortableBackend(_options, logger);
    }

    /// <summary>Creates a driver on a system of one's choice.</summary>
    internal ProcessDriver(ProcessOptions options, IProcessBackend backend) => (_options, _backend) = (options, backend);

    public string Name => ProcessSpec.Type;

    public ValueTask<ExecutorFingerprint> FingerprintAsync(CancellationToken cancellationToken) => _backend.FingerprintAsync(cancellationToken);

    public void Validate(ExecutionRequest request, RequestProblems problems)
    {
        var spec = ProcessSpecReader.Read(request.EngineSpec, problems);
        ValidateResources(request, problems);
        ValidateNetwork(request.Network, problems);
        _backend.Validate(request, spec, problems);
    }

    private static void ValidateResources(ExecutionRequest request, RequestProblems problems)
    {
        if (request.Resources.Gpus.Count > 0)
            problems.NotSupported("resources.gpus", "cannot be given to a local process; use the docker executor.");
    }

    private void ValidateNetwork(NetworkSpec network, RequestProblems problems)
    {
        if (network.EffectiveMode == NetworkMode.Bridge)
        {
            problems.NotSupported(
                network.Mode is null ? "network.ports" : "network.mode",
                "needs a bridge network, which the process executor does not have; use network.mode host, none, or the docker executor.");
        }

        if (network.EffectiveMode == NetworkMode.Host && !_options.AllowHostNetwork)
            problems.Forbidden("network.mode", "is host, which the operator does not allow (AllowHostNetwork).");
        if (network.GatewayIp is not null) problems.NotSupported("network.gateway_ip", "needs a bridge network; the process executor has none.");
        if (network.Dns.Count > 0) problems.NotSupported("network.dns", "needs a bridge network; jobs of the process executor use the host's name servers, or none.");
        for (var i = 0; i < network.Ports.Count; i++)
        {
            var port = network.Ports[i];
            if (network.EffectiveMode == NetworkMode.Host && port.HostPort != 0 && port.HostPort != port.ExecutorPort)
                problems.NotSupported($"network.ports[{i}].host_port", $"is {port.HostPort}, but on the host's network the job listens on {port.ExecutorPort} itself; make them equal.");
        }
    }

    public ValueTask<IDriverExecution> PrepareAsync(DriverContext context, CancellationToken cancellationToken)
    {
        var problems = new RequestProblems();
        var spec = ProcessSpecReader.Read(context.Request.EngineSpec, problems);
        problems.ThrowIfAny(context.Request.ExecutionId);
        return _backend.PrepareAsync(context, spec, cancellationToken);
    }

    public ValueTask<IDriverExecution?> AttachAsync(DriverContext context, CancellationToken cancellationToken) =>
        _backend.AttachAsync(context, ProcessSpecReader.Read(context.Request.EngineSpec, new RequestProblems()), cancellationToken);

    public ValueTask CleanupAsync(string executorId, IReadOnlySet<ExecutionId> keep, CancellationToken cancellationToken) =>
        _backend.CleanupAsync(executorId, keep, cancellationToken);

    public ValueTask DisposeAsync() => _backend.DisposeAsync();
}
