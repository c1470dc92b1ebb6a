using System.Globalization;
using Ergon.Docker.Api;
using Ergon.Drivers;

namespace Ergon.Docker;

/// <summary>One execution in one container.</summary>
internal sealed partial class DockerExecution(
    EngineConnection engine, DockerOptions options, TimeProvider time, ExecutionRequest request, string container, bool started) : IDriverExecution
{
    private string _container = container;
    private EngineStream? _attached;
    private DriverExit? _unrunnable;

    /// <inheritdoc/>
    public bool Started { get; private set; } = started;

    /// <inheritdoc/>
    public IReadOnlyList<PortMapping> Ports { get; private set; } = [];

    /// <inheritdoc/>
    public async ValueTask StartAsync(CancellationToken cancellationToken)
    {
        if (WarmStart is not null && await BecomeAsync(WarmStart, cancellationToken)) return;

        // Attached before the start, so that not even the first byte is missed.
        _attached = await engine.CallAsync("attach to the container", (client, token) => client.AttachAsync(_container, token), cancellationToken);
        try
        {
            await engine.CallAsync("start the container", (client, token) => client.StartContainerAsync(_container, token), cancellationToken);
        }
        catch (ExecutorException e) when (e.InnerException is EngineApiException api && EngineErrors.ExitCodeOfUnrunnable(api.Message) is { } code)
        {
            // As in a shell: a command that cannot be run is the job's failure, not the executor's.
            _unrunnable = new DriverExit { ExitCode = code, Message = Unrunnable(api.Message) };
        }

        Started = true;
        if (request.Network.Ports.Count > 0 && _unrunnable is null) TakePorts(await InspectAsync(cancellationToken));
    }

    /// <inheritdoc/>
    public async ValueTask SignalAsync(Signal signal, CancellationToken cancellationToken)
    {
        await KillWithAsync(signal.Number.ToString(CultureInfo.InvariantCulture), cancellationToken);
    }

    /// <inheritdoc/>
    public async ValueTask StopAsync(CancellationToken cancellationToken)
    {
        if (_unrunnable is not null) return;
        var signal = (await InspectAsync(cancellationToken)).Config?.StopSignal;
        await KillWithAsync(string.IsNullOrEmpty(signal) ? Signal.Terminate.Name : signal, cancellationToken);
    }

    /// <inheritdoc/>
    public async ValueTask KillAsync(CancellationToken cancellationToken)
    {
        try
        {
            await KillWithAsync(Signal.Kill.Name, cancellationToken);
        }
        catch (ExecutorException e) when (e.InnerException is EngineApiException api && api.Message.Contains("is paused", StringComparison.Ordinal))
        {
            // Older Engines do not kill what is frozen.
            await ResumeAsync(cancellationToken);
            await KillWithAsync(Signal.Kill.Name, cancellationToken);
        }
    }

    /// <inheritdoc/>
    public async ValueTask PauseAsync(CancellationToken cancellationToken)
    {
        try
        {
            await engine.CallAsync("pause the container", (client, token) => client.PauseContainerAsync(_container, token), cancellationToken);
        }
        catch (ExecutorException e) when (HasEnded(e))
        {
            throw new ExecutorException(ErrorCode.ExecutionAlreadyConcluded, "It has ended in the meantime; there is nothing left to pause.", innerException: e);
        }
    }

    /// <inheritdoc/>
    public async ValueTask ResumeAsync(CancellationToken cancellationToken)
    {
        try
        {
            await engine.CallAsync("resume the container", (client, token) => client.UnpauseContainerAsync(_container, token), cancellationToken);
        }
        catch (ExecutorException e) when (HasEnded(e) || (e.InnerException is EngineApiException api && api.Message.Contains("is not paused", StringComparison.Ordinal)))
        {
            // Somebody else resumed it, or it has ended since: it is not frozen, which is what was asked for.
        }
    }

    /// <inheritdoc/>
    public async ValueTask<IExecSession> ExecAsync(ExecRequest command, CancellationToken cancellationToken) =>
        await DockerExecSession.StartAsync(engine, _container, WarmFiles is null ? command : WithOwnVariables(command), cancellationToken);

    /// <inheritdoc/>
    public IAsyncEnumerable<ExecutionStats> GetStatsAsync(CancellationToken cancellationToken) =>
        ContainerStats.ReadAsync(engine, _container, time, cancellationToken);

    /// <summary>Outputs are bind mounts of the results directory: they are there already.</summary>
    public ValueTask CollectOutputsAsync(CancellationToken cancellationToken) => ValueTask.CompletedTask;

    /// <inheritdoc/>
    public async ValueTask DestroyAsync(CancellationToken cancellationToken)
    {
        await RemoveAsync(engine, _container, cancellationToken);
        WarmFiles?.Delete();
    }

    /// <inheritdoc/>
    public ValueTask DisposeAsync()
    {
        _attached?.Dispose();
        WarmStart?.Container.Release();
        return ValueTask.CompletedTask;
    }

    /// <summary>Takes the host ports that the Engine chose.</summary>
    public void TakePorts(ContainerDescription inspected)
    {
        var bound = inspected.NetworkSettings?.Ports?.ToDictionary(p => p.Key, p => p.Value?.ToList() ?? []);
        Ports = [.. request.Network.Ports.Select(Actual)];

        PortMapping Actual(PortMapping asked)
        {
            if (bound is null || !bound.TryGetValue(ContainerSpec.PortKey(asked), out var bindings)) return asked;
            var binding = bindings.Find(b => b.HostIp == ContainerSpec.HostIpOf(asked) && (asked.HostPort == 0 || b.HostPort == asked.HostPort.ToString(CultureInfo.InvariantCulture)));
            if (binding is null || !int.TryParse(binding.HostPort, out var port)) return asked;

            // Each binding belongs to one of those that were asked for.
            bindings.Remove(binding);
            return asked with { HostPort = port, HostIp = binding.HostIp };
        }
    }

    /// <summary>Removes a container, by id or name, with its anonymous volumes; nothing happens when it is gone.</summary>
    internal static async Task RemoveAsync(EngineConnection engine, string container, CancellationToken cancellationToken)
    {
        try
        {
            await engine.CallAsync("remove the container", (client, token) => client.RemoveContainerAsync(container, token), cancellationToken);
        }
        catch (ExecutorException e) when (e.InnerException is { } inner && (EngineErrors.IsNotFound(inner) || IsBeingRemoved(inner)))
        {
            // Gone already, or somebody else's removal is under way.
        }
    }

    private static bool IsBeingRemoved(Exception e) =>
        e is EngineApiException api && EngineErrors.IsConflict(api) && api.Message.Contains("already in progress", StringComparison.Ordinal);

    private Task<ContainerDescription> InspectAsync(CancellationToken cancellationToken) =>
        engine.CallAsync("inspect the container", (client, token) => client.InspectContainerAsync(_container, token), cancellationToken);

    private async Task KillWithAsync(string signal, CancellationToken cancellationToken)
    {
        if (Signal.TryParse(signal, out var sent)) lock (_sentSignals) _sentSignals.Add(sent.Number);
        try
        {
            await engine.CallAsync($"send {signal}", (client, token) => client.KillContainerAsync(_container, signal, token), cancellationToken);
        }
        catch (ExecutorException e) when (HasEnded(e))
        {
            // It has ended in the meantime, which is what a signal could at most do.
        }
    }

    private static bool HasEnded(ExecutorException e) =>
        e.InnerException is EngineApiException api && (EngineErrors.IsNotFound(api) || api.Message.Contains("is not running", StringComparison.Ordinal));
}
