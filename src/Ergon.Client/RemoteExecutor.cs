using Ergon.Client.Wire;
using Ergon.Engine;
using Grpc.Core;
using Grpc.Net.Client;
using P = Ergon.Protocol.V1;

namespace Ergon.Client;

/// <summary>
/// The executors of a daemon, on this machine or another. While the daemon is being restarted, calls wait for it: waits go on, and log streams
/// continue where they broke off, without loss or repetition.
/// </summary>
/// <remarks>Disposing it closes the connection and touches no execution.</remarks>
public sealed partial class RemoteExecutor : IExecutor
{
    private readonly RemoteExecutorOptions _options;
    private readonly GrpcChannel _channel;
    private readonly DaemonCalls _calls;
    private readonly TimeProvider _time;
    private readonly P.ExecutorService.ExecutorServiceClient _client;

    /// <summary>Creates an executor; the daemon is reached when it is first needed.</summary>
    /// <exception cref="ArgumentException">The address is not one of a daemon.</exception>
    public RemoteExecutor(RemoteExecutorOptions options)
        : this(options, executorId: null)
    {
    }

    private RemoteExecutor(RemoteExecutorOptions options, string? executorId)
    {
        _options = options;
        Name = options.Executor ?? "daemon";
        ExecutorId = executorId ?? Name;
        _channel = DaemonChannel.Open(options);
        _calls = new DaemonCalls(options);
        _time = options.TimeProvider ?? TimeProvider.System;
        _client = new P.ExecutorService.ExecutorServiceClient(_channel);
    }

    /// <summary>The name of the one executor that was chosen, or <c>daemon</c>.</summary>
    public string Name { get; }

    /// <summary>The id under which the daemon's executor marks what it creates, if <see cref="ConnectAsync"/> asked for it; else the name.</summary>
    public string ExecutorId { get; }

    /// <summary>Connects to a daemon and learns the id of the executor that was chosen.</summary>
    /// <exception cref="ExecutorException">
    /// <see cref="ErrorCode.BackendUnavailable"/>: the daemon is not there; <see cref="ErrorCode.NotSupported"/>: it has no such executor.
    /// </exception>
    public static async Task<RemoteExecutor> ConnectAsync(RemoteExecutorOptions options, CancellationToken cancellationToken = default)
    {
        await using var asking = new RemoteExecutor(options);
        var executors = await asking.ListExecutorsAsync(cancellationToken);
        if (options.Executor is not { } name) return new RemoteExecutor(options);
        var chosen = executors.FirstOrDefault(e => e.Name == name) ?? throw new ExecutorException(
            ErrorCode.NotSupported, $"The daemon at {options.Address} has no executor '{name}'; it has {string.Join(", ", executors.Select(e => e.Name))}.");
        return new RemoteExecutor(options, chosen.ExecutorId);
    }

    /// <summary>Lists the daemon's executors.</summary>
    /// <exception cref="ExecutorException"><see cref="ErrorCode.BackendUnavailable"/>.</exception>
    public async Task<IReadOnlyList<RemoteExecutorDescription>> ListExecutorsAsync(CancellationToken cancellationToken = default)
    {
        var response = await AskAsync(o => _client.ListExecutorsAsync(new P.ListExecutorsRequest(), o), cancellationToken);
        return [.. response.Executors.Select(e => new RemoteExecutorDescription(e.Name, e.ExecutorId, e.Ready, e.HasProblem ? e.Problem : null))];
    }

    /// <inheritdoc/>
    public async Task<ExecutionResult> WaitAsync(ExecutionId executionId, CancellationToken cancellationToken = default)
    {
        var request = new P.WaitRequest { ExecutionId = executionId.Value };
        var response = await _calls.RunAsync(o => _client.WaitAsync(request, o), new Outage(), timeout: null, repeatable: true, cancellationToken);
        return response.Result.FromWire();
    }

    /// <inheritdoc/>
    /// <remarks>The daemon is told even if the token is cancelled at once.</remarks>
    public Task CancelAsync(ExecutionId executionId, CancellationToken cancellationToken = default) =>
        CancelOnDaemonAsync(executionId).WaitAsync(cancellationToken);

    /// <inheritdoc/>
    public Task PauseAsync(ExecutionId executionId, CancellationToken cancellationToken = default) =>
        ChangeAsync(executionId, ExecutionStatus.Paused, o => _client.PauseAsync(new P.PauseRequest { ExecutionId = executionId.Value }, o), cancellationToken);

    /// <inheritdoc/>
    public Task ResumeAsync(ExecutionId executionId, CancellationToken cancellationToken = default) =>
        ChangeAsync(executionId, ExecutionStatus.Running, o => _client.ResumeAsync(new P.ResumeRequest { ExecutionId = executionId.Value }, o), cancellationToken);

    /// <inheritdoc/>
    public async Task SignalAsync(ExecutionId executionId, Signal signal, CancellationToken cancellationToken = default)
    {
        var request = new P.SignalRequest { ExecutionId = executionId.Value, Signal = signal.Number };

        // A signal that may have been delivered is not sent twice.
        await _calls.RunAsync(o => _client.SignalAsync(request, o), new Outage(), _options.CallTimeout, repeatable: false, cancellationToken);
    }

    /// <inheritdoc/>
    public async Task<ExecutionInfo> GetStatusAsync(ExecutionId executionId, CancellationToken cancellationToken = default)
    {
        var request = new P.GetStatusRequest { ExecutionId = executionId.Value };
        return (await AskAsync(o => _client.GetStatusAsync(request, o), cancellationToken)).Info.FromWire();
    }

    /// <inheritdoc/>
    public async Task<ExecutionInfo> WaitForStatusAsync(
        ExecutionId executionId, ExecutionStatus status, TimeSpan timeout, CancellationToken cancellationToken = default)
    {
        var request = new P.WaitForStatusRequest { ExecutionId = executionId.Value, Status = status.ToWire(), Timeout = timeout.ToWire() };
        var response = await _calls.RunAsync(o => _client.WaitForStatusAsync(request, o), new Outage(), Add(timeout), repeatable: true, cancellationToken);
        return response.Info.FromWire();
    }

    /// <inheritdoc/>
    public async Task<IReadOnlyList<ExecutionInfo>> ListAsync(ListRequest? request = null, CancellationToken cancellationToken = default)
    {
        var wire = (request ?? new ListRequest()).ToWire();
        if (_options.Executor is { } executor) wire.Executor = executor;
        return await ListAsync(wire, cancellationToken);
    }

    /// <summary>Lists the executions whose id begins so, oldest first.</summary>
    /// <exception cref="ExecutorException"><see cref="ErrorCode.BackendUnavailable"/>.</exception>
    public async Task<IReadOnlyList<ExecutionInfo>> FindAsync(string idPrefix, CancellationToken cancellationToken = default)
    {
        var wire = new P.ListRequest { IdPrefix = idPrefix };
        if (_options.Executor is { } executor) wire.Executor = executor;
        return await ListAsync(wire, cancellationToken);
    }

    /// <inheritdoc/>
    public async Task RemoveAsync(ExecutionId executionId, TimeSpan timeout, CancellationToken cancellationToken = default)
    {
        var request = new P.RemoveRequest { ExecutionId = executionId.Value, Timeout = timeout.ToWire() };
        var outage = new Outage();
        try
        {
            await _calls.RunAsync(o => _client.RemoveAsync(request, o), outage, Add(timeout), repeatable: true, cancellationToken);
        }
        catch (ExecutorException e) when (e.Code == ErrorCode.ExecutionNotFound && outage.Retried)
        {
            // The daemon did it before it went away.
        }
    }

    /// <inheritdoc/>
    public async Task CleanupAsync(CancellationToken cancellationToken = default)
    {
        var request = new P.CleanupRequest();
        if (_options.Executor is { } executor) request.Executor = executor;
        await _calls.RunAsync(o => _client.CleanupAsync(request, o), new Outage(), timeout: null, repeatable: true, cancellationToken);
    }

    /// <inheritdoc/>
    public Task<ExecutorFingerprint> FingerprintAsync(CancellationToken cancellationToken = default) =>
        _options.Executor is { } executor ? FingerprintOfAsync(executor, cancellationToken) : FingerprintAllAsync(cancellationToken);

    /// <summary>Asks one of the daemon's executors what it is and can do.</summary>
    /// <exception cref="ExecutorException"><see cref="ErrorCode.BackendUnavailable"/>; <see cref="ErrorCode.NotSupported"/>: there is none of that name.</exception>
    public async Task<ExecutorFingerprint> FingerprintOfAsync(string executor, CancellationToken cancellationToken = default) =>
        (await AskAsync(o => _client.FingerprintAsync(new P.FingerprintRequest { Executor = executor }, o), cancellationToken)).Fingerprint.FromWire();

    /// <inheritdoc/>
    public ValueTask DisposeAsync()
    {
        _calls.Dispose();
        _channel.Dispose();
        return ValueTask.CompletedTask;
    }

    private async Task CancelOnDaemonAsync(ExecutionId executionId)
    {
        var request = new P.CancelRequest { ExecutionId = executionId.Value };
        var outage = new Outage();
        try
        {
            await _calls.RunAsync(o => _client.CancelAsync(request, o), outage, timeout: null, repeatable: true, CancellationToken.None);
        }
        catch (ExecutorException e) when (e.Code == ErrorCode.ExecutionAlreadyConcluded && outage.Retried)
        {
            // The daemon did it before it went away.
        }
    }

    private async Task<ExecutorFingerprint> FingerprintAllAsync(CancellationToken cancellationToken)
    {
        var executors = await ListExecutorsAsync(cancellationToken);
        return new ExecutorFingerprint
        {
            Executor = Name,
            Available = executors.Any(e => e.Ready),
            Problems = [.. executors.Where(e => e.Problem is not null).Select(e => new FingerprintProblem($"{e.Name}: {e.Problem}", "Ask for the executor's own fingerprint."))],
            Details = executors.ToDictionary(e => e.Name, e => e.ExecutorId),
        };
    }

    private async Task<IReadOnlyList<ExecutionInfo>> ListAsync(P.ListRequest request, CancellationToken cancellationToken)
    {
        List<ExecutionInfo> infos = [];
        do
        {
            var page = await AskAsync(o => _client.ListAsync(request, o), cancellationToken);
            infos.AddRange(page.Executions.Select(WireExecution.FromWire));
            request.PageToken = page.NextPageToken;
        }
        while (request.PageToken.Length > 0);
        return infos;
    }

    private async Task ChangeAsync<T>(ExecutionId id, ExecutionStatus wanted, Func<CallOptions, AsyncUnaryCall<T>> call, CancellationToken cancellationToken)
    {
        var outage = new Outage();
        try
        {
            await _calls.RunAsync(call, outage, _options.CallTimeout, repeatable: true, cancellationToken);
        }
        catch (ExecutorException e) when (e.Code == ErrorCode.InvalidState && outage.Retried)
        {
            // The daemon may have done it before it went away.
            if ((await GetStatusAsync(id, cancellationToken)).Status != wanted) throw;
        }
    }

    private Task<T> AskAsync<T>(Func<CallOptions, AsyncUnaryCall<T>> call, CancellationToken cancellationToken) =>
        _calls.RunAsync(call, new Outage(), _options.CallTimeout, repeatable: true, cancellationToken);

    private TimeSpan? Add(TimeSpan timeout) => timeout > TimeSpan.FromDays(1) ? null : timeout + _options.CallTimeout;

    private static void CheckTexts(ExecutionRequest request)
    {
        // What cannot be written cannot be sent; the daemon would say the same.
        var problems = new RequestProblems();
        if (!RequestTexts.Check(request, problems)) problems.ThrowIfAny(request.ExecutionId);
    }
}

/// <summary>One of a daemon's executors.</summary>
/// <param name="Name">Its name, which is the engine spec type that it accepts.</param>
/// <param name="ExecutorId">Marks everything that it creates.</param>
/// <param name="Ready">Whether it has found again what a former daemon left; until then it refuses calls.</param>
/// <param name="Problem">Why it is not ready.</param>
public sealed record RemoteExecutorDescription(string Name, string ExecutorId, bool Ready, string? Problem);
