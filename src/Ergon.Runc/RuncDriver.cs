using System.Collections.Concurrent;
using System.Globalization;
using System.Runtime.Versioning;
using Ergon.Drivers;
using Ergon.Images;
using Ergon.Images.Store;
using Ergon.Linux;
using Ergon.Networks;
using Ergon.Runc.Bundles;
using Ergon.Runc.Containers;
using Ergon.Runc.Execution;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;

namespace Ergon.Runc;

/// <summary>Runs executions in containers of an OCI runtime.</summary>
internal sealed class RuncDriver : IExecutionDriver
{
    private const long LeastMemory = 6L * 1024 * 1024;

    private readonly RuncOptions _options;
    private readonly ILogger _logger;
    private readonly TimeProvider _time;
    private readonly ConcurrentDictionary<string, byte> _executorIds = new(StringComparer.Ordinal);
    private readonly Lazy<RuncParts> _parts;

    public RuncDriver(RuncOptions? options = null, ILoggerFactory? loggerFactory = null, TimeProvider? timeProvider = null)
    {
        _options = options ?? new RuncOptions();
        _logger = (loggerFactory ?? NullLoggerFactory.Instance).CreateLogger("Ergon.Runc");
        _time = timeProvider ?? TimeProvider.System;
        _parts = new Lazy<RuncParts>(() => OperatingSystem.IsLinux() ? CreateParts() : throw NoLinux());
    }

    public string Name => RuncSpec.Type;

    public async ValueTask<ExecutorFingerprint> FingerprintAsync(CancellationToken cancellationToken)
    {
        if (!OperatingSystem.IsLinux())
            return new ExecutorFingerprint { Executor = Name, Available = false, Problems = [new("OCI runtimes run on Linux.", "Use the docker executor.")] };
        try
        {
            return await RuncProbe.TakeAsync(_parts.Value, cancellationToken);
        }
        catch (ExecutorException e)
        {
            return new ExecutorFingerprint { Executor = Name, Available = false, Problems = [new(e.Message, "Name another directory in the options (CacheDirectory).")] };
        }
    }

    public void Validate(ExecutionRequest request, RequestProblems problems)
    {
        var spec = RuncSpec.Read(request.EngineSpec, problems);
        var policy = _options.Policy;
        foreach (var capability in spec.CapAdd.Where(c => !Capability.IsAllowed(c, policy.AllowedCapabilities)))
            problems.Forbidden(SpecParameters.Field("cap_add"), $"'{capability}' is not among the capabilities that the operator allows (AllowedCapabilities).");
        if (!policy.AllowRootUser && !IsCertainlyNotRoot(spec.User))
            problems.Forbidden(SpecParameters.Field("user"), "must be the number of a user, such as 1000: the operator does not allow root, and what a name means is up to the image.");
        if (ImageSource.TryParse(spec.Image, out var source, out _) && source.Path is { } path && !HostPath.IsWithinAny(HostPath.Resolve(path), policy.AllowedImagePaths))
            problems.Forbidden(SpecParameters.Field("image"), $"is {path}, which is not among the paths that the operator allows (AllowedImagePaths).");
        if (spec.Init == false && request.ProvisionScripts.Count > 0)
            problems.NotSupported(SpecParameters.Field("init"), "is false, but provision scripts need it; leave it out.");
        Validate(request.Resources, problems);
        Validate(request.Network, problems);
    }

    private static void Validate(Resources resources, RequestProblems problems)
    {
        if (resources.Gpus.Count > 0) problems.NotSupported("resources.gpus", "cannot be given by the runc executor; use the docker executor.");
        if (resources.Disk is not null) problems.NotSupported("resources.disk", "cannot be limited by the runc executor; leave it out, or use a microVM.");
        if (resources.Memory is < LeastMemory) problems.Invalid("resources.memory", "is too little for a container; give at least 6m.");
    }

    private void Validate(NetworkSpec network, RequestProblems problems)
    {
        if (network.EffectiveMode == NetworkMode.Host && !_options.Policy.AllowHostNetwork) problems.Forbidden("network.mode", "host is not allowed by the operator (AllowHostNetwork).");
        if (network is { EffectiveMode: NetworkMode.Host, Ports.Count: > 0 }) problems.Invalid("network.ports", "have no meaning on the host's network: the job listens on the host itself.");
        if (network.EffectiveMode == NetworkMode.Bridge && OperatingSystem.IsLinux()) BridgeNetworks.Validate(network, problems);
    }

    public async ValueTask<IDriverExecution> PrepareAsync(DriverContext context, CancellationToken cancellationToken)
    {
        if (!OperatingSystem.IsLinux()) throw NoLinux();
        var parts = _parts.Value;
        var program = RequireRuntime(parts, context.Request.ExecutionId);
        if (!parts.Cgroups.IsUsable)
            throw new ExecutorException(ErrorCode.BackendUnavailable, $"{RuncProbe.NoCgroups.Problem} {RuncProbe.NoCgroups.Remedy}", context.Request.ExecutionId);
        _executorIds.TryAdd(context.ExecutorId, 0);
        var builder = new RuncExecutionBuilder(context, RuncSpec.Read(context.Request.EngineSpec, new RequestProblems()), parts);
        try
        {
            return await builder.BuildAsync(program, cancellationToken);
        }
        catch (Exception e)
        {
            await UndoAsync(builder, context.Request.ExecutionId);
            if (e is IOException or UnauthorizedAccessException)
                throw new ExecutorException(ErrorCode.BackendFailed, $"The container could not be prepared: {e.Message}.", context.Request.ExecutionId, e);
            throw;
        }
    }

    public async ValueTask<IDriverExecution?> AttachAsync(DriverContext context, CancellationToken cancellationToken)
    {
        if (!OperatingSystem.IsLinux()) return null;
        var parts = _parts.Value;
        _executorIds.TryAdd(context.ExecutorId, 0);
        var builder = new RuncExecutionBuilder(context, RuncSpec.Read(context.Request.EngineSpec, new RequestProblems()), parts);
        try
        {
            if (context.Outlives && await builder.AttachAsync(parts.FindRuntime() ?? _options.Runtime, cancellationToken) is { } execution) return execution;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            // It ended as it was looked at, or its records are damaged: nobody must be left with half of it. What fails otherwise may
            // pass, and the job goes on until then.
            _logger.NotAttached(context.Request.ExecutionId, e);
        }
        catch
        {
            builder.Release();
            throw;
        }

        builder.Release();
        await RuncExecutionBuilder.RemoveAsync(context, parts, cancellationToken);
        return null;
    }

    public async ValueTask CleanupAsync(string executorId, IReadOnlySet<ExecutionId> keep, CancellationToken cancellationToken)
    {
        if (!OperatingSystem.IsLinux()) return;
        var parts = _parts.Value;
        foreach (var (id, execution) in ContainerHome.Keepers.Find(executorId))
            if (ExecutionId.TryParse(execution, out var known) && !keep.Contains(known)) await OtherProcess.KillAsync(id, parts.Events, cancellationToken);
        await parts.Cgroups.RemoveAllAsync(executorId, keep, parts.Events, cancellationToken);
        await parts.Networks.CleanupAsync(executorId, keep, cancellationToken);
    }

    public async ValueTask DisposeAsync()
    {
        if (!OperatingSystem.IsLinux() || !_parts.IsValueCreated) return;
        var parts = _parts.Value;
        foreach (var executorId in _executorIds.Keys) parts.Cgroups.RemoveExecutor(executorId);
        await parts.Images.DisposeAsync();
        parts.Networks.Dispose();
        parts.SealedRuntime.Dispose();
        parts.Events.Dispose();
    }

    [SupportedOSPlatform("linux")]
    private RuncParts CreateParts()
    {
        ChildProcess.KeepExitStatus();
        var cache = CacheLocation.Of(_options.CacheDirectory);
        var store = new ImageStoreOptions
        {
            Directory = Path.Combine(cache, "images"),
            MaxBytes = _options.CacheBytes,
            AsLayers = true,
            Credentials = _options.RegistryCredentials,
            ConfigDirectory = _options.ConfigDirectory,
            DockerHost = _options.DockerHost,
        };
        return new RuncParts
        {
            Options = _options,
            Images = new ImageStore(store, _logger, _time),
            MountPoints = MountPointsLayer.Make(cache),
            SealedRuntime = new SealedRuntime(),
            Cgroups = new ContainerCgroups(),
            Networks = new BridgeNetworks(new BridgeNetworkOptions(), _time),
            Events = new KernelEvents(),
            Time = _time,
            Logger = _logger,
        };
    }

    [SupportedOSPlatform("linux")]
    private static string RequireRuntime(RuncParts parts, ExecutionId id) => parts.FindRuntime() ?? throw new ExecutorException(
        ErrorCode.BackendUnavailable, $"The OCI runtime '{parts.Options.Runtime}' was not found. Install it ('apt-get install runc'), or name it in the options (Runtime).", id);

    private async Task UndoAsync(RuncExecutionBuilder builder, ExecutionId executionId)
    {
        try
        {
            if (OperatingSystem.IsLinux()) await builder.UndoAsync();
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or ExecutorException)
        {
            _logger.UndoFailed(executionId, e);
        }
    }

    // What is not purely a number is a name, and what that means is up to the image.
    private static bool IsCertainlyNotRoot(string? user) =>
        user is not null && uint.TryParse(user.Split(':')[0], NumberStyles.None, CultureInfo.InvariantCulture, out var uid) && uid != 0;

    private static ExecutorException NoLinux() => new(ErrorCode.BackendUnavailable, "OCI runtimes run on Linux. Use the docker executor.");
}
