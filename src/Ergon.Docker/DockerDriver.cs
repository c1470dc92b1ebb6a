using System.Globalization;
using Ergon.Docker.Api;
using Ergon.Docker.Warm;
using Ergon.Drivers;
using Ergon.Images;

namespace Ergon.Docker;

/// <summary>Runs executions in containers of a Docker Engine.</summary>
public sealed class DockerDriver : IExecutionDriver
{
    internal const string DriverName = "docker";

    private readonly DockerOptions _options;
    private readonly TimeProvider _time;
    private readonly EngineConnection _engine;
    private readonly ImagePuller _images;
    private readonly WarmContainers? _warm;
    private readonly CancellationTokenSource _disposed = new();
    private readonly Task _connecting = Task.CompletedTask;

    /// <summary>Creates a driver; it connects when it is first used, unless the options ask for it earlier.</summary>
    public DockerDriver(DockerOptions? options = null, TimeProvider? timeProvider = null)
    {
        _options = options ?? new DockerOptions();
        _time = timeProvider ?? TimeProvider.System;
        _engine = new EngineConnection(_options, _time);
        _images = new ImagePuller(_engine, new RegistryCredentialStore(_options.RegistryCredentials, _options.ConfigDirectory));
        if (_options.WarmContainers is { MaxIdle: > 0 } warm && WarmFiles.CanBeUsed) _warm = new WarmContainers(_engine, warm, _time);
        if (_options.ConnectEarly) _connecting = Task.Run(() => _engine.TryConnectAsync(_disposed.Token));
    }

    /// <inheritdoc/>
    public string Name => DriverName;

    /// <inheritdoc/>
    public async ValueTask<ExecutorFingerprint> FingerprintAsync(CancellationToken cancellationToken)
    {
        try
        {
            // Asked again each time: the Engine may have been replaced since.
            var info = await _engine.CallAsync("describe itself", (client, token) => client.InfoAsync(token), cancellationToken);
            return EngineFingerprint.From(info, _engine.Address, _options.Policy, _warm);
        }
        catch (ExecutorException e)
        {
            return EngineFingerprint.Missing(e);
        }
    }

    /// <inheritdoc/>
    public void Validate(ExecutionRequest request, RequestProblems problems)
    {
        var spec = DockerSpec.Read(request.EngineSpec, problems);
        var policy = _options.Policy;
        foreach (var capability in spec.CapAdd.Where(c => !Capability.IsAllowed(c, policy.AllowedCapabilities)))
            problems.Forbidden(SpecParameters.Field("cap_add"), $"'{capability}' is not among the capabilities that the operator allows.");
        if (spec.Privileged && !policy.AllowPrivileged) problems.Forbidden(SpecParameters.Field("privileged"), "is not allowed by the operator.");
        if (request.Network.EffectiveMode == NetworkMode.Host && !policy.AllowHostNetwork) problems.Forbidden("network.mode", "host is not allowed by the operator.");
        if (!policy.AllowRootUser && !IsCertainlyNotRoot(spec.User))
            problems.Forbidden(SpecParameters.Field("user"), "must be the number of a user, such as 1000: the operator does not allow root, and what a name means is up to the image.");
        if (request.Network is { EffectiveMode: NetworkMode.Host, Ports.Count: > 0 }) problems.Invalid("network.ports", "have no meaning on the host's network: the job listens on the host itself.");
    }

    /// <inheritdoc/>
    public async ValueTask<IDriverExecution> PrepareAsync(DriverContext context, CancellationToken cancellationToken)
    {
        var request = context.Request;
        var spec = DockerSpec.Read(request.EngineSpec, new RequestProblems());
        var image = ImageReference.Parse(spec.Image);
        if (spec.PullPolicy == PullPolicy.Always) await _images.PullAsync(image, spec.Platform, context.ReportProgress, cancellationToken);
        var config = ContainerSpec.Create(request, spec, context.ExecutorId);
        if (await PrepareWarmAsync(config, spec, image, context, cancellationToken) is { } warm) return warm;
        try
        {
            var id = await CreateAsync(config, spec, image, context, cancellationToken);
            return new DockerExecution(_engine, _options, _time, request, id, started: false);
        }
        catch
        {
            // Also when the call was cancelled or its answer was lost: the Engine may have made it all the same.
            if (_engine.HasAnswered) await RemoveByNameAsync(config.Name);
            throw;
        }
    }

    /// <inheritdoc/>
    public async ValueTask<IDriverExecution?> AttachAsync(DriverContext context, CancellationToken cancellationToken)
    {
        var name = ContainerSpec.NameOf(context.ExecutorId, context.Request.ExecutionId);
        try
        {
            var found = await _engine.CallAsync("find a container", (client, token) => client.InspectContainerAsync(name, token), cancellationToken);
            if (found.Config?.Labels is not { } labels || labels.GetValueOrDefault(ContainerSpec.ExecutorLabel) != context.ExecutorId) return null;
            var files = labels.GetValueOrDefault(WarmContainer.Label) is { } directory ? WarmFiles.At(directory) : null;
            // A container that was made before its job has begun only if it was told what to become.
            var started = found.State.Status != "created" && files is not { HasCommand: false };
            var execution = new DockerExecution(_engine, _options, _time, context.Request, found.Id, started) { WarmFiles = files };
            execution.TakePorts(found);
            return execution;
        }
        catch (ExecutorException e) when (e.InnerException is { } inner && EngineErrors.IsNotFound(inner))
        {
            return null;
        }
    }

    /// <inheritdoc/>
    public async ValueTask CleanupAsync(string executorId, IReadOnlySet<ExecutionId> keep, CancellationToken cancellationToken)
    {
        var containers = await _engine.CallAsync("list containers", (client, token) => client.ListContainersAsync($"{ContainerSpec.ExecutorLabel}={executorId}", token), cancellationToken);
        var kept = keep.Select(id => "/" + ContainerSpec.NameOf(executorId, id)).ToHashSet(StringComparer.Ordinal);
        foreach (var container in containers.Where(c => c.Names?.Any(kept.Contains) != true))
        {
            await DockerExecution.RemoveAsync(_engine, container.Id, cancellationToken);
            if (container.Labels?.GetValueOrDefault(WarmContainer.Label) is { } directory) WarmFiles.At(directory).Delete();
        }
    }

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        await _disposed.CancelAsync();
        await _connecting;
        if (_warm is not null) await _warm.DisposeAsync();
        _engine.Dispose();
        _disposed.Dispose();
    }

    private async Task<DockerExecution?> PrepareWarmAsync(
        ContainerConfig config, DockerSpec spec, ImageReference image, DriverContext context, CancellationToken cancellationToken)
    {
        if (_warm is null || WarmKind.Of(context.Request, spec, context.ExecutorId) is not { } kind) return null;
        if (await _warm.TakeAsync(kind, cancellationToken) is not { } container) return null;
        try
        {
            var command = ImageCommand.Combine(spec.Entrypoint, spec.Cmd, container.Image.Config?.Entrypoint, container.Image.Config?.Cmd);
            if (command.Count > 0 && WarmFiles.CanTell(command, config.Env!))
            {
                await container.RenameAsync(config.Name, cancellationToken);
                var start = new WarmStart(container, command, config.Env!, token => CreateAsync(config, spec, image, context, token));
                return new DockerExecution(_engine, _options, _time, context.Request, container.Id, started: false) { WarmStart = start, WarmFiles = WarmFiles.At(container.Directory) };
            }
        }
        catch (Exception e)
        {
            await container.DisposeAsync();
            if (e is not ExecutorException) throw;

            // A new one is made, as if none had waited.
            return null;
        }

        await container.DisposeAsync();
        return null;
    }

    private async Task<string> CreateAsync(ContainerConfig config, DockerSpec spec, ImageReference image, DriverContext context, CancellationToken cancellationToken)
    {
        var scripts = context.Request.ProvisionScripts;
        for (var pulled = spec.PullPolicy == PullPolicy.Always; ; pulled = true)
        {
            try
            {
                if (scripts.Count > 0 && config.Entrypoint is not [ProvisionScripts.Entrypoint])
                    config = await _engine.CallAsync("look at the image", (client, token) => ProvisionScripts.WrapAsync(config, client, token), cancellationToken);

                // Not to be cancelled: the Engine goes on with a creation that nobody waits for, and the container would come after its removal.
                var created = await _engine.CallAsync("create the container", (client, token) => client.CreateContainerAsync(config, token), CancellationToken.None);
                cancellationToken.ThrowIfCancellationRequested();
                if (scripts.Count > 0)
                    await _engine.CallAsync("put the provision scripts into the container", (client, token) => ProvisionScripts.UploadAsync(scripts, client, created, token), cancellationToken);
                return created;
            }
            catch (ExecutorException e) when (e.InnerException is EngineApiException api && EngineErrors.IsMissingImage(api))
            {
                // With the policy 'missing' the creation itself is the question whether the image is there: one call less when it is.
                if (spec.PullPolicy == PullPolicy.Never)
                    throw new ExecutorException(ErrorCode.ImageUnavailable, $"The image {image} is not on the Engine{(spec.Platform is { } platform ? $" for {platform}" : "")}, and the pull policy is 'never'. Pull it ('docker pull {image}'), or use the policy 'missing'.", innerException: e);
                if (pulled)
                {
                    var why = EngineErrors.IsOtherPlatform(api)
                        ? $"has no variant for {spec.Platform}. Ask for a platform that it has (engine_spec.params.platform), or for another tag. (The Engine says: {api.Message})"
                        : $"was pulled but is not there: {e.Message}";
                    throw new ExecutorException(ErrorCode.ImageUnavailable, $"The image {image} {why}", innerException: e);
                }

                await _images.PullAsync(image, spec.Platform, context.ReportProgress, cancellationToken);
            }
        }
    }

    private async Task RemoveByNameAsync(string name)
    {
        try
        {
            await DockerExecution.RemoveAsync(_engine, name, CancellationToken.None);
        }
        catch (ExecutorException)
        {
            // The Engine is away: the clean-up of the next start finds the container by its label.
        }
    }

    private static bool IsCertainlyNotRoot(string? user) =>
        user is not null && uint.TryParse(user.Split(':')[0], NumberStyles.None, CultureInfo.InvariantCulture, out var id) && id > 0;
}
