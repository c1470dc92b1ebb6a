using Ergon.Admission;
using Ergon.Drivers;
using Ergon.Engine;
using Ergon.Logs;
using Ergon.Storage;

namespace Ergon;

public sealed partial class Executor
{
    /// <inheritdoc/>
    public Task StartAsync(ExecutionRequest request, CancellationToken cancellationToken = default) =>
        StartAndGetResultAsync(request, cancellationToken);

    /// <summary>Starts; the result, which comes at the end, is the caller's however short its retention is.</summary>
    internal async Task<(Execution Execution, Task<ExecutionResult> Result)> StartAndGetResultAsync(
        ExecutionRequest request, CancellationToken cancellationToken)
    {
        ThrowIfClosed();
        cancellationToken.ThrowIfCancellationRequested();
        var problems = new RequestProblems();
        var resolved = _validator.Validate(request, problems);
        if (RequestTexts.Check(request, problems) && request.EngineSpec.Type == Name) ValidateByDriver(resolved, problems);
        _options.Admission?.Check(request.Resources, problems);
        problems.ThrowIfAny(request.ExecutionId);

        var begun = _time.GetTimestamp();
        var directory = await OpenAsync(cancellationToken);
        if (Reserve(resolved, directory, out var known) is not { } execution) return await JoinAsync(known, resolved, cancellationToken);
        execution.Activity = _engine.Telemetry.BeginExecution(resolved);

        // Taken before the job starts: however short the retention is, who runs a job gets its result.
        var result = execution.Result!;
        await PrepareAndStartAsync(execution, directory, cancellationToken);
        _engine.Telemetry.Started(_time.GetElapsedTime(begun));
        EngineLog.Started(_engine.Logger, execution.Id, resolved.JobId, _time.GetElapsedTime(begun));
        return (execution, result);
    }

    private void ValidateByDriver(ExecutionRequest request, RequestProblems problems)
    {
        try
        {
            _driver.Validate(request, problems);
        }
        catch (Exception e) when (e is not ExecutorException)
        {
            throw _engine.Calls.Failed("check the request", request.ExecutionId, e);
        }
    }

    // Of two concurrent starts exactly one has the execution; the other has the one that is known.
    private Execution? Reserve(ExecutionRequest request, ExecutorDirectory executorDirectory, out Execution? known)
    {
        if (_executions.TryGetValue(request.ExecutionId, out known)) return null;
        ReserveKey(request);
        Execution? execution = null;
        try
        {
            return execution = ReserveId(request, executorDirectory, out known);
        }
        finally
        {
            if (execution is null && !(_executions.TryGetValue(request.ExecutionId, out var owner) && owner.Request.RequestKey == request.RequestKey)) ForgetKey(request);
        }
    }

    private Execution? ReserveId(ExecutionRequest request, ExecutorDirectory executorDirectory, out Execution? known)
    {
        known = null;
        if (Interlocked.Increment(ref _active) > _options.MaxConcurrentExecutions)
        {
            Interlocked.Decrement(ref _active);
            throw new ExecutorException(
                ErrorCode.ResourcesUnavailable, $"The executor '{Name}' already has {_options.MaxConcurrentExecutions} executions. Try again when one has ended.", request.ExecutionId);
        }

        var share = Admit(request);
        var info = new ExecutionInfo
        {
            JobId = request.JobId,
            ExecutionId = request.ExecutionId,
            Executor = Name,
            Status = ExecutionStatus.Pending,
            CreatedAt = _time.GetUtcNow(),
            Labels = request.Labels,
        };

        // The entry in the dictionary is the reservation.
        var directory = executorDirectory.DirectoryOf(request.ExecutionId);
        var limits = request.LogLimits.Within(_options.MaxLogLimits);
        var log = OutputLog.Create(directory, limits, _time, _engine.Telemetry.LogBytes);
        var execution = new Execution(request, info, log, directory, _engine) { LogLimits = limits, Share = share };
        if (!_executions.TryAdd(request.ExecutionId, execution))
        {
            Interlocked.Decrement(ref _active);
            execution.Dispose();
            known = _executions.GetValueOrDefault(request.ExecutionId);
            return null;
        }

        // Disposal ends what it finds in the dictionary; what came too late to be found ends itself.
        if (_disposed) execution.RequestStop(StopCause.Cancelled);
        _engine.Telemetry.Reserved();
        return execution;
    }

    private AdmissionTicket? Admit(ExecutionRequest request)
    {
        try
        {
            return _options.Admission?.Enter(request);
        }
        catch
        {
            Interlocked.Decrement(ref _active);
            throw;
        }
    }

    private async Task PrepareAndStartAsync(Execution execution, ExecutorDirectory directory, CancellationToken cancellationToken)
    {
        using var timeout = new CancellationTokenSource(Timeout.InfiniteTimeSpan, _time);
        using var linked = CancellationTokenSource.CreateLinkedTokenSource(timeout.Token, execution.PrepareCancelled, cancellationToken);
        Action undoResults = static () => { };
        try
        {
            linked.Token.ThrowIfCancellationRequested();
            directory.Create(execution.Id);
            await execution.CreateAsync();
            await WaitForShareAsync(execution, linked.Token);
            timeout.CancelAfter(execution.Request.Timeouts.Prepare);
            undoResults = ResultsDirectory.Prepare(execution.Request);
            var driver = await PrepareAsync(execution, linked.Token);
            execution.Driver = driver;
            linked.Token.ThrowIfCancellationRequested();
            using (ErgonTelemetry.BeginPhase("start", execution.Activity))
            {
                await _engine.Calls.RunUntilAsync(
                    "start the job", execution.Id, async token => { await driver.StartAsync(token); return true; }, linked.Token);
            }

            await MoveToRunningAsync(execution, driver.Ports);
        }
        catch (Exception e)
        {
            var error = StartError(execution, e, timeout, cancellationToken);
            await UndoStartAsync(execution, undoResults, error);
            if (error.Code == ErrorCode.Cancelled && cancellationToken.IsCancellationRequested) throw new OperationCanceledException(error.Message, error, cancellationToken);
            throw error;
        }
    }

    private async Task WaitForShareAsync(Execution execution, CancellationToken cancellationToken)
    {
        if (execution.Share is not { Granted.IsCompleted: false } share) return;
        var begun = _time.GetTimestamp();
        execution.PublishProgress(new PrepareProgress("waiting for resources"));
        using (ErgonTelemetry.BeginPhase("queue", execution.Activity)) await share.Granted.WaitAsync(cancellationToken);
        _engine.Telemetry.Admitted(_time.GetElapsedTime(begun));
    }

    private async Task<IDriverExecution> PrepareAsync(Execution execution, CancellationToken cancellationToken)
    {
        using var phase = ErgonTelemetry.BeginPhase("prepare", execution.Activity);
        return await _engine.Calls.RunUntilAsync(
            "prepare the execution", execution.Id, token => _driver.PrepareAsync(ContextOf(execution), token), cancellationToken, DestroyLateAsync);
    }

    private DriverContext ContextOf(Execution execution) => new()
    {
        Request = execution.Request,
        ExecutorId = ExecutorId,
        WorkDirectory = ExecutorDirectory.WorkDirectory(execution.Directory),
        Outlives = execution.Recorded,
        ReportProgress = execution.PublishProgress,
    };

    private async Task MoveToRunningAsync(Execution execution, IReadOnlyList<PortMapping> ports)
    {
        var info = execution.Info with { Status = ExecutionStatus.Running, StartedAt = _time.GetUtcNow(), Ports = ports };
        await execution.MoveAsync(info, ExecutionEventType.Started);
        Supervise(execution, execution.Request.Timeouts.Run);
    }

    private void Supervise(Execution execution, TimeSpan? runTime)
    {
        if (runTime is { } left) execution.Deadline = new RunDeadline(left, _time, () => execution.RequestStop(StopCause.TimedOut));

        // The supervision outlives the caller, so it must not hold on to what flows with the caller.
        using (ExecutionContext.SuppressFlow())
            execution.Supervision = Task.Run(new Supervisor(_engine, execution, OnConcluded).RunAsync);
    }

    private void OnConcluded(Execution execution)
    {
        Interlocked.Decrement(ref _active);
        execution.Share?.Dispose();
        Retain(execution);
    }

    private static ExecutorException StartError(Execution execution, Exception e, CancellationTokenSource timeout, CancellationToken caller) => e switch
    {
        ExecutorException { ExecutionId: not null } known => known,
        ExecutorException known when known.Problems.Count > 0 => new ExecutorException(known.Problems, execution.Id),
        ExecutorException known => new ExecutorException(known.Code, known.Message, execution.Id, known.InnerException),
        OperationCanceledException when caller.IsCancellationRequested || execution.PrepareCancelled.IsCancellationRequested => new ExecutorException(
            ErrorCode.Cancelled, $"Execution '{execution.Id}' was cancelled before its process existed.", execution.Id, e),
        OperationCanceledException when timeout.IsCancellationRequested => new ExecutorException(
            ErrorCode.PrepareTimedOut,
            $"Execution '{execution.Id}' was not ready within its prepare timeout of {Duration.Format(execution.Request.Timeouts.Prepare)}. Give it more (timeouts.prepare), or look at what is slow: image, volumes, backend.",
            execution.Id,
            e),
        _ => new ExecutorException(ErrorCode.BackendFailed, $"Execution '{execution.Id}' could not be started: {e.Message}", execution.Id, e),
    };

    private async Task UndoStartAsync(Execution execution, Action undoResults, ExecutorException error)
    {
        if (error.Code == ErrorCode.Cancelled) EngineLog.StartCancelled(_engine.Logger, execution.Id);
        else EngineLog.StartFailed(_engine.Logger, execution.Id, error.Code, error);
        if (execution.Driver is { } driver) await DestroyLateAsync(driver);
        undoResults();
        await ForgetStartAsync(execution, ownsDirectory: error.Code != ErrorCode.ExecutionAlreadyStarted);
        Interlocked.Decrement(ref _active);
        _engine.Telemetry.StartFailed(error.Code);
        execution.Activity?.SetStatus(System.Diagnostics.ActivityStatusCode.Error, error.Message);
        execution.Activity?.Dispose();
        execution.SetError(error);
        execution.SetEnded();
        execution.Dispose();
    }

    private async Task ForgetStartAsync(Execution execution, bool ownsDirectory)
    {
        string? left = null;
        try
        {
            await execution.RemoveAsync(ExecutionEventType.StartFailed, Forget, tellAnyway: true);
        }
        catch (ExecutorException e)
        {
            // It is still recorded as pending: a later process undoes it again.
            EngineLog.StorageFailed(_engine.Logger, execution.Id, e);
        }

        if (left is not null) ExecutorDirectory.Delete(left);

        void Forget()
        {
            if (ownsDirectory) left = _directory!.SetAside(execution.Directory);
            _executions.TryRemove(execution.Id, out _);
            ForgetKey(execution.Request);
        }
    }

    // Removes what a driver made for an execution that will not be.
    private async Task DestroyLateAsync(IDriverExecution driver)
    {
        foreach (var (what, call) in new (string, Func<CancellationToken, ValueTask>)[]
        {
            ("remove the execution", driver.DestroyAsync), ("let go of the execution", _ => driver.DisposeAsync()),
        })
        {
            try
            {
                await _engine.Calls.RunAsync(what, null, call);
            }
            catch (Exception e) when (e is ExecutorException or OperationCanceledException)
            {
                EngineLog.DriverFailed(_engine.Logger, default, what, e);
            }
        }
    }
}
