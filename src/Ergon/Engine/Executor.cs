using System.Collections.Concurrent;
using System.Diagnostics.Metrics;
using Ergon.Drivers;
using Ergon.Engine;
using Ergon.Logs;
using Ergon.Storage;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;

namespace Ergon;

/// <summary>The one implementation of <see cref="IExecutor"/>: owns the life-cycle; the driver does what the backend must do.</summary>
public sealed partial class Executor : IExecutor
{
    private readonly ConcurrentDictionary<ExecutionId, Execution> _executions = new();
    private readonly ConcurrentDictionary<string, ExecutionId> _keys = new();
    private readonly IExecutionDriver _driver;
    private volatile ExecutorOptions _options;
    private readonly TimeProvider _time;
    private readonly EngineContext _engine;
    private volatile RequestValidator _validator;
    private readonly RetentionQueue _retention;
    private readonly SemaphoreSlim _opening = new(1, 1);
    private ExecutorDirectory? _directory;
    private int _active;
    private bool _disposed;

    /// <summary>Creates an executor on a driver, which it owns and disposes.</summary>
    /// <exception cref="ArgumentException">The executor id of the options is not an <see cref="Identifier"/>.</exception>
    public Executor(
        IExecutionDriver driver,
        ExecutorOptions? options = null,
        ILoggerFactory? loggerFactory = null,
        IMeterFactory? meterFactory = null,
        TimeProvider? timeProvider = null)
    {
        _driver = driver;
        _options = options ?? new ExecutorOptions();
        _time = timeProvider ?? TimeProvider.System;
        ExecutorId = _options.ExecutorId ?? ExecutionId.New().Value;
        if (!Identifier.IsValid(ExecutorId)) throw new ArgumentException($"'{ExecutorId}' is not an executor id: {Identifier.Rule}.", nameof(options));
        if (_options is { Store: not null, DataDirectory: null }) throw new ArgumentException("A store needs a data directory beside it, for the logs.", nameof(options));
        _validator = new RequestValidator(driver.Name, _options.AllowedVolumeRoots);
        _retention = new RetentionQueue(_options, _time, ReleaseAsync, ForgetOldAsync);
        var logger = (ILogger?)loggerFactory?.CreateLogger<Executor>() ?? NullLogger.Instance;
        var events = new EventHub(_time);
        _engine = new EngineContext
        {
            Driver = driver,
            Options = _options,
            ExecutorId = ExecutorId,
            Time = _time,
            Logger = logger,
            Telemetry = new ErgonTelemetry(meterFactory, driver.Name),
            Events = events,
            Journal = new Journal(events, _time),
            Unrecorded = new UnrecordedResults(_time, logger),
            Calls = new DriverCalls(driver, _options.DriverTimeout, _time),
        };
    }

    /// <inheritdoc/>
    public string Name => _driver.Name;

    /// <inheritdoc/>
    public string ExecutorId { get; }

    /// <inheritdoc/>
    public async Task<ExecutionResult> RunAsync(ExecutionRequest request, CancellationToken cancellationToken = default)
    {
        var (execution, result) = await StartAndGetResultAsync(request, cancellationToken);
        try
        {
            return await result.WaitAsync(cancellationToken);
        }
        catch (OperationCanceledException) when (cancellationToken.IsCancellationRequested)
        {
            await StopAndWaitAsync(execution, kill: false, CancellationToken.None);
            throw;
        }
    }

    /// <inheritdoc/>
    public async Task<ExecutionResult> WaitAsync(ExecutionId executionId, CancellationToken cancellationToken = default)
    {
        var execution = Find(executionId);
        if (execution.Result is { } pending) return await pending.WaitAsync(cancellationToken);
        if (execution.Released) throw Released(execution);
        try
        {
            return execution.Recorded
                ? await _engine.Journal.LoadResultAsync(executionId, cancellationToken)
                : await ExecutorDirectory.LoadResultAsync(execution, cancellationToken);
        }
        catch (ExecutorException) when (execution.Released)
        {
            throw Released(execution);
        }
    }

    /// <inheritdoc/>
    public Task CancelAsync(ExecutionId executionId, CancellationToken cancellationToken = default)
    {
        var execution = Find(executionId);
        return execution.Info.IsTerminal ? throw Concluded(execution) : StopAndWaitAsync(execution, kill: false, cancellationToken);
    }

    /// <inheritdoc/>
    public Task<ExecutionInfo> GetStatusAsync(ExecutionId executionId, CancellationToken cancellationToken = default) =>
        Task.FromResult(Find(executionId).Snapshot);

    /// <inheritdoc/>
    public async Task<ExecutionInfo> WaitForStatusAsync(
        ExecutionId executionId, ExecutionStatus status, TimeSpan timeout, CancellationToken cancellationToken = default)
    {
        var execution = Find(executionId);
        using var deadline = new CancellationTokenSource(timeout, _time);
        using var linked = CancellationTokenSource.CreateLinkedTokenSource(deadline.Token, cancellationToken);
        while (true)
        {
            var info = execution.Info;
            if (info.Status == status) return execution.Snapshot is var told && told.Status == status ? told : info;
            if (info.IsTerminal)
                throw new ExecutorException(ErrorCode.InvalidState, $"Execution '{executionId}' ended with '{info.Status}' and will never be '{status}'.", executionId);
            if (!_executions.ContainsKey(executionId)) throw NotFound(executionId);
            try
            {
                await execution.ChangedSince(info).WaitAsync(linked.Token);
            }
            catch (OperationCanceledException) when (!cancellationToken.IsCancellationRequested)
            {
                throw new ExecutorException(
                    ErrorCode.WaitTimedOut, $"Execution '{executionId}' was '{info.Status}' and not '{status}' for {Duration.Format(timeout)}.", executionId);
            }
        }
    }

    /// <inheritdoc/>
    public Task<IReadOnlyList<ExecutionInfo>> ListAsync(ListRequest? request = null, CancellationToken cancellationToken = default)
    {
        request ??= new ListRequest();
        return Task.FromResult<IReadOnlyList<ExecutionInfo>>([.. _executions.Values
            .Where(e => e.Visible)
            .Select(e => e.Snapshot)
            .Where(info => request.JobId is not { } job || info.JobId == job)
            .Where(info => request.Statuses.Count == 0 || request.Statuses.Contains(info.Status))
            .Where(info => request.Labels.All(l => info.Labels.TryGetValue(l.Key, out var value) && value == l.Value))
            .OrderBy(info => info.CreatedAt)]);
    }

    /// <inheritdoc/>
    public IAsyncEnumerable<LogEntry> GetLogStreamAsync(LogStreamRequest request, CancellationToken cancellationToken = default) =>
        OpenLog(request, out _).ReadAsync(request.Follow, cancellationToken);

    /// <summary>Opens the log at the place that the request asks for, and tells which that is.</summary>
    internal LogReader OpenLog(LogStreamRequest request, out LogCursor start)
    {
        var execution = Find(request.ExecutionId);
        if (request.JobId is { } job && execution.Request.JobId != job)
            throw new ExecutorException(ErrorCode.ExecutionNotFound, $"Execution '{request.ExecutionId}' belongs to job '{execution.Request.JobId}', not '{job}'.", request.ExecutionId);
        if (execution.Released) throw Released(execution);
        if (request.Cursor is { } cursor && (cursor.Position < 0 || cursor.Offset < 0))
            throw new ExecutorException([new RequestProblem("cursor", "is negative; give the place at which an earlier stream ended.")], request.ExecutionId);
        var position = request.Tail ? execution.Log.Position : default;
        start = request.Cursor ?? new LogCursor(position.Records, 0);
        return request.Cursor is { } place ? execution.Log.OpenReader(place) : execution.Log.OpenReader(position);
    }

    /// <summary>Whether an execution is known, without an exception when it is not.</summary>
    internal bool Knows(ExecutionId id) => _executions.TryGetValue(id, out var execution) && execution.Visible;

    /// <inheritdoc/>
    public async Task<ExecutorFingerprint> FingerprintAsync(CancellationToken cancellationToken = default)
    {
        try
        {
            ExecutorFingerprint? fingerprint = null;
            await _engine.Calls.RunAsync("tell what it can do", null, async token => fingerprint = await _driver.FingerprintAsync(token), cancellationToken);
            return fingerprint!;
        }
        catch (ExecutorException e)
        {
            return new ExecutorFingerprint
            {
                Executor = Name,
                Available = false,
                Problems = [new FingerprintProblem(e.Message, "Look at the backend's own log, repair or restart it, and try again.")],
            };
        }
    }

    /// <summary>Takes other limits, retention and volume roots from now on; everything else stays as it was when the executor was made.</summary>
    internal void Change(ExecutorOptions options)
    {
        var changed = _options with
        {
            DefaultPersistLogs = options.DefaultPersistLogs,
            MaxRetainedResults = options.MaxRetainedResults,
            MaxRetainedBytes = options.MaxRetainedBytes,
            MaxConcludedExecutions = options.MaxConcludedExecutions,
            MaxConcurrentExecutions = options.MaxConcurrentExecutions,
            MaxLogLimits = options.MaxLogLimits,
            AllowedVolumeRoots = options.AllowedVolumeRoots,
        };
        _validator = new RequestValidator(Name, changed.AllowedVolumeRoots);
        _options = changed;
        _retention.Change(changed);
    }

    /// <summary>Completes when nothing of an execution runs any more, or it is not known.</summary>
    internal Task EndOf(ExecutionId id) => _executions.TryGetValue(id, out var execution) ? execution.Ended : Task.CompletedTask;

    // Opened when first needed: looking at a backend leaves nothing on disk.
    private ValueTask<ExecutorDirectory> OpenAsync(CancellationToken cancellationToken) =>
        Volatile.Read(ref _directory) is { } open ? ValueTask.FromResult(open) : OpenFirstAsync(cancellationToken);

    private async ValueTask<ExecutorDirectory> OpenFirstAsync(CancellationToken cancellationToken)
    {
        await _opening.WaitAsync(cancellationToken);
        try
        {
            if (_directory is { } open) return open;
            ThrowIfClosed();
            var directory = ExecutorDirectory.Open(_options.DataDirectory, ExecutorId);
            try
            {
                if (_options.DataDirectory is { } data)
                    await _engine.Journal.OpenAsync(_options.Store ?? new FileExecutionStore(data, Name), ExecutorId, cancellationToken);
            }
            catch
            {
                directory.Dispose();
                throw;
            }

            Volatile.Write(ref _directory, directory);
            return directory;
        }
        finally
        {
            _opening.Release();
        }
    }

    private static async Task StopAndWaitAsync(Execution execution, bool kill, CancellationToken cancellationToken)
    {
        execution.RequestStop(StopCause.Cancelled, kill);
        await execution.Ended.WaitAsync(cancellationToken);
    }

    private Execution Find(ExecutionId id)
    {
        ThrowIfClosed();
        return _executions.TryGetValue(id, out var execution) && execution.Visible ? execution : throw NotFound(id);
    }

    private void ThrowIfClosed()
    {
        if (_disposed) throw new ExecutorException(ErrorCode.ExecutorClosed, $"The executor '{Name}' has been disposed.");
    }

    private ExecutorException NotFound(ExecutionId id) =>
        new(ErrorCode.ExecutionNotFound, $"The executor '{Name}' knows no execution '{id}'. It was never started here, or has been removed.", id);

    private static ExecutorException Concluded(Execution execution) => new(
        ErrorCode.ExecutionAlreadyConcluded,
        execution.Info.IsTerminal
            ? $"Execution '{execution.Id}' has ended already: {execution.Info.Reason}, exit code {execution.Info.ExitCode}."
            : $"Execution '{execution.Id}' has just ended. Wait for its result.",
        execution.Id);

    private static ExecutorException Released(Execution execution) => new(
        ErrorCode.ExecutionAlreadyConcluded,
        $"Execution '{execution.Id}' has ended ({execution.Info.Reason}, exit code {execution.Info.ExitCode}), and its result and log are no longer retained. Ask for a longer persist_logs.",
        execution.Id);
}
