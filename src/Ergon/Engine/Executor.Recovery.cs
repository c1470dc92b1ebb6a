using Ergon.Drivers;
using Ergon.Engine;
using Ergon.Logs;

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
        var options = new ParallelOptions { MaxDegreeOfParallelism = ConcurrentRecoveries, CancellationToken = cancellationToken };
        await Parallel.ForEachAsync(Storage.ListDirectories(), options, RecoverOneAsync);
        var keep = _executions.Values.Where(e => !e.Info.IsTerminal).Select(e => e.Id).ToHashSet();
        await _engine.Calls.RunAsync("clean up", null, token => _driver.CleanupAsync(ExecutorId, keep, token), CleanupTime, cancellationToken);
    }

    private async ValueTask RecoverOneAsync(string directory, CancellationToken cancellationToken)
    {
        if (!ExecutionId.TryParse(Path.GetFileName(directory), out var id) || _executions.ContainsKey(id)) return;
        ExecutionRequest request;
        StateRecord state;
        try
        {
            (request, state) = ExecutorStorage.Load(directory);
        }
        catch (ExecutorException e)
        {
            EngineLog.RecordsDamaged(_engine.Logger, directory, e);
            return;
        }

        var log = OutputLog.Open(ExecutorStorage.LogDirectory(directory), request.LogLimits, _time, _engine.Telemetry.LogBytes);
        var execution = new Execution(request, state.ToInfo(request, Name), log, directory, _engine.Events) { Recorded = true };
        if (StatusRules.IsTerminal(state.Status)) RecoverConcluded(execution, state);
        else await RecoverActiveAsync(execution, cancellationToken);
    }

    private void RecoverConcluded(Execution execution, StateRecord state)
    {
        execution.Log.Complete();
        execution.ForgetResult();
        if (state.Released) execution.Release();
        execution.SetEnded();
        _executions.TryAdd(execution.Id, execution);
        if (!state.Released) Retain(execution);
    }

    private async Task RecoverActiveAsync(Execution execution, CancellationToken cancellationToken)
    {
        var driver = await AttachAsync(execution, cancellationToken);
        execution.Driver = driver;
        if (execution.Info.Status == ExecutionStatus.Pending && driver is not { Started: true })
        {
            // Nobody was told that it started, and it did not: as if it had never been asked for.
            if (driver is not null) await DestroyLateAsync(driver);
            execution.Dispose();
            ExecutorStorage.Delete(execution.Directory);
            return;
        }

        Interlocked.Increment(ref _active);
        _engine.Telemetry.Reserved();
        _executions.TryAdd(execution.Id, execution);
        EngineLog.Recovered(_engine.Logger, execution.Id, execution.Info.Status);
        execution.Publish(ExecutionEventType.Recovered);
        if (driver is null) await ConcludeLostAsync(execution);
        else if (execution.Info.Status == ExecutionStatus.Pending) MoveToRunning(execution, driver.Ports);
        else Resupervise(execution);
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

    private void Resupervise(Execution execution)
    {
        var info = execution.Info;
        var ran = _time.GetUtcNow() - (info.StartedAt ?? info.CreatedAt);
        Supervise(execution, execution.Request.Timeouts.Run - ran);
        if (info.Status == ExecutionStatus.Paused) execution.Deadline?.Pause();
    }

    private Task ConcludeLostAsync(Execution execution) => new Supervisor(_engine, execution, OnConcluded).ConcludeAsync(
        new DriverExit { Lost = true, Message = $"The {Name} backend knows nothing of it after the executor's restart." }, cause: null, problem: null);
}
