using Ergon.Drivers;
using Ergon.Engine;
using Ergon.Logs;
using Ergon.Storage;

namespace Ergon;

public sealed partial class Executor
{
    private const int ConcurrentRecoveries = 8;

    /// <summary>
    /// Finds again what a former process with the same executor id and data directory left: what still runs is supervised again, what
    /// ended meanwhile gets its true result and complete log, a start that was not finished is undone, and everything else that
    /// carries the executor id in the backend is removed. Call it once, before the first start.
    /// </summary>
    /// <exception cref="ExecutorException"><see cref="ErrorCode.BackendUnavailable"/>, <see cref="ErrorCode.StorageFailed"/>; it can be called again.</exception>
    public async Task RecoverAsync(CancellationToken cancellationToken = default)
    {
        ThrowIfClosed();
        var directory = await OpenAsync(cancellationToken);
        var stored = _engine.Journal.IsDurable ? await _engine.Journal.LoadAsync(cancellationToken) : new StoredExecutions([], new Dictionary<ExecutionId, ExecutorException>());
        CheckStore(directory, stored);
        foreach (var (id, problem) in stored.Damaged) EngineLog.RecordsDamaged(_engine.Logger, directory.DirectoryOf(id), problem);
        var options = new ParallelOptions { MaxDegreeOfParallelism = ConcurrentRecoveries, CancellationToken = cancellationToken };
        await Parallel.ForEachAsync(stored.Executions, options, (one, token) => RecoverOneAsync(one, directory, token));
        var keep = _executions.Values.Where(e => !e.Info.IsTerminal).Select(e => e.Id).ToHashSet();
        await _engine.Calls.RunAsync("clean up", null, token => _driver.CleanupAsync(ExecutorId, keep, token), CleanupTime, cancellationToken);
        foreach (var left in directory.ListDirectories())
        {
            var known = ExecutionId.TryParse(Path.GetFileName(left), out var id) && (_executions.ContainsKey(id) || stored.Damaged.ContainsKey(id));
            if (!known) ExecutorDirectory.Delete(left);
        }
    }

    // What a store knows nothing of is reaped: that must not be what another kind of store has recorded.
    private void CheckStore(ExecutorDirectory directory, StoredExecutions stored)
    {
        if (_options.Store is null) return;
        var known = stored.Executions.Select(e => e.Request.ExecutionId).Concat(stored.Damaged.Keys).Select(directory.DirectoryOf).ToHashSet();
        if (directory.ListDirectories().FirstOrDefault(d => !known.Contains(d) && FileExecutionStore.HasRecords(d)) is not { } foreign) return;
        throw new ExecutorException(
            ErrorCode.StorageFailed,
            $"The data directory has executions that were recorded in files, such as {foreign}, and the store knows nothing of them. Use another data directory, or remove them with an executor that has no store.");
    }

    private async ValueTask RecoverOneAsync(StoredExecution stored, ExecutorDirectory executorDirectory, CancellationToken cancellationToken)
    {
        var (request, id) = (stored.Request, stored.Request.ExecutionId);
        if (_executions.ContainsKey(id)) return;
        var directory = executorDirectory.DirectoryOf(id);
        if (!stored.Released) ExecutorDirectory.CreatePrivate(directory);
        ExecutorDirectory.BringUpLog(directory);
        var limits = request.LogLimits.Within(_options.MaxLogLimits);
        var log = OutputLog.Open(directory, limits, _time, _engine.Telemetry.LogBytes);
        var execution = new Execution(request, stored.Info, log, directory, _engine) { LogLimits = limits };
        execution.Restore(stored);
        ReserveKey(request);
        if (stored.Info.IsTerminal) RecoverConcluded(execution);
        else await RecoverActiveAsync(execution, stored.Result, cancellationToken);
    }

    private void RecoverConcluded(Execution execution)
    {
        execution.Log.Complete();
        execution.ForgetResult();
        execution.SetEnded();
        _executions.TryAdd(execution.Id, execution);
        Retain(execution);
    }

    private async Task RecoverActiveAsync(Execution execution, ExecutionResult? result, CancellationToken cancellationToken)
    {
        var driver = await AttachAsync(execution, cancellationToken);
        execution.Driver = driver;
        if (execution.Info.Status == ExecutionStatus.Pending && driver is not { Started: true })
        {
            // Nobody was told that it started, and it did not: as if it had never been asked for.
            if (driver is not null) await DestroyLateAsync(driver);
            execution.Dispose();
            await ForgetStartAsync(execution, ownsDirectory: true);
            return;
        }

        // It has its share already, whether there is room or not.
        execution.Share = _options.Admission?.Take(execution.Request);
        await execution.RecordAsync(ExecutionEventType.Recovered);
        Interlocked.Increment(ref _active);
        _engine.Telemetry.Reserved();
        _executions.TryAdd(execution.Id, execution);
        EngineLog.Recovered(_engine.Logger, execution.Id, execution.Info.Status);
        if (result is not null) await new Supervisor(_engine, execution, OnConcluded).FinishAsync(result);
        else if (driver is null) await ConcludeLostAsync(execution);
        else if (execution.Info.Status == ExecutionStatus.Pending) await MoveToRunningAsync(execution, driver.Ports);
        else await ResuperviseAsync(execution, driver);
    }

    private async Task<IDriverExecution?> AttachAsync(Execution execution, CancellationToken cancellationToken)
    {
        using var deadline = new CancellationTokenSource(execution.Request.Timeouts.Prepare, _time);
        using var linked = CancellationTokenSource.CreateLinkedTokenSource(deadline.Token, cancellationToken);
        try
        {
            return await _engine.Calls.RunUntilAsync(
                "find the execution", execution.Id, token => _driver.AttachAsync(ContextOf(execution), token), linked.Token, static late => late?.DisposeAsync().AsTask() ?? Task.CompletedTask);
        }
        catch (OperationCanceledException e) when (!cancellationToken.IsCancellationRequested)
        {
            throw new ExecutorException(
                ErrorCode.BackendUnavailable,
                $"The {Name} backend did not find execution '{execution.Id}' within {Duration.Format(execution.Request.Timeouts.Prepare)}. Look at its health ('ergon doctor'), then recover again.",
                execution.Id,
                e);
        }
    }

    private async Task ResuperviseAsync(Execution execution, IDriverExecution driver)
    {
        var info = execution.Info;
        var ran = execution.Pauses.RunTime(info.StartedAt ?? info.CreatedAt, _time.GetUtcNow());
        await FreezeAsRecordedAsync(execution, driver);
        Supervise(execution, execution.Request.Timeouts.Run - ran);
        if (info.Status == ExecutionStatus.Paused) execution.Deadline?.Pause();
        if (Termination.CauseOf(execution.Stopping) is { } cause) execution.RequestStop(cause);
    }

    // A process that ended while it paused or resumed may have left the execution in another state than the one that is recorded, and
    // that was told.
    private async Task FreezeAsRecordedAsync(Execution execution, IDriverExecution driver)
    {
        var paused = execution.Info.Status == ExecutionStatus.Paused;
        try
        {
            await _engine.Calls.RunAsync(paused ? "pause" : "resume", execution.Id, paused ? driver.PauseAsync : driver.ResumeAsync);
        }
        catch (ExecutorException e)
        {
            // As it should be already, or ended; or the backend cannot pause at all.
            EngineLog.FrozenAsRecorded(_engine.Logger, execution.Id, execution.Info.Status, e);
        }
    }

    private Task ConcludeLostAsync(Execution execution) => new Supervisor(_engine, execution, OnConcluded).ConcludeAsync(
        new DriverExit { Lost = true, Message = $"The {Name} backend knows nothing of it after the executor's restart." },
        Termination.CauseOf(execution.Stopping),
        problem: null);
}
