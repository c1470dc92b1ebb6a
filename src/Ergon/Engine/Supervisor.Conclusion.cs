using Ergon.Drivers;
using Ergon.Storage;

namespace Ergon.Engine;

/// <content>What is done once a job has ended: collected, recorded, destroyed, and only then told.</content>
internal sealed partial class Supervisor
{
    // What is smaller than the rest of an execution in memory may stay there.
    private const int SmallResult = 4096;

    private bool _left;

    /// <summary>Concludes an execution from the evidence there is: collects, records, destroys, and only then tells.</summary>
    public async Task ConcludeAsync(DriverExit exit, StopCause? cause, string? problem)
    {
        await execution.Gate.WaitAsync();
        try
        {
            problem = Join(problem, await CollectOutputsAsync());
            execution.Log.Complete();
            var result = BuildResult(exit, cause, Join(problem, execution.Log.Failure));
            if (ResultsDirectory.Write(result, execution.Request.ResultsDir, execution.Log) is { } unwritten)
                result = result with { Error = Join(result.Error, unwritten) };
            await ConcludeAsync(result);
        }
        finally
        {
            execution.Gate.Release();
            execution.SetEnded();
        }
    }

    /// <summary>Goes on with a conclusion that a former process began.</summary>
    public async Task FinishAsync(ExecutionResult result)
    {
        await execution.Gate.WaitAsync();
        try
        {
            execution.Log.Complete();
            await ConcludeAsync(result);
        }
        finally
        {
            execution.Gate.Release();
            execution.SetEnded();
        }
    }

    // Records, destroys, and only then tells.
    private async Task ConcludeAsync(ExecutionResult result)
    {
        // Nothing is destroyed before its result is durable: a later process would not know how it ended.
        var recorded = await RecordAsync(result);
        if (recorded || !execution.Recorded) await DestroyAsync();
        EngineLog.Concluded(engine.Logger, execution.Id, result.Reason, result.ExitCode);
        engine.Telemetry.Concluded(result.Reason, result.FinishedAt - result.StartedAt);
        execution.Activity?.SetTag("ergon.reason", result.Reason.ToString());
        execution.Activity?.Dispose();
        await TryRecordAsync(() => execution.MoveAsync(Concluded(execution.Info, result), ExecutionEventType.Concluded));
        execution.SetResult(result, recorded);
        if (!recorded && execution.Recorded) engine.Unrecorded.Add(execution, result, RecordLateAsync);
        Leave();
    }

    private void Leave()
    {
        if (_left) return;
        _left = true;
        concluded(execution);
    }

    private async Task<string?> CollectOutputsAsync()
    {
        if (execution.Driver is not { } driver || execution.Request.Outputs.Count == 0) return null;
        // Outputs may be large: they have the time that preparing had.
        using var deadline = new CancellationTokenSource(execution.Request.Timeouts.Prepare, engine.Time);
        try
        {
            await engine.Calls.RunUntilAsync(
                "collect the outputs", execution.Id, async token => { await driver.CollectOutputsAsync(token); return true; }, deadline.Token);
            return null;
        }
        catch (Exception e) when (e is ExecutorException or OperationCanceledException)
        {
            EngineLog.DriverFailed(engine.Logger, execution.Id, "collect the outputs", e);
            return $"The outputs are incomplete: {e.Message}";
        }
    }

    private ExecutionResult BuildResult(DriverExit exit, StopCause? cause, string? problem)
    {
        var (request, info) = (execution.Request, execution.Info);
        var reason = Termination.Decide(exit, cause);
        var exitCode = Termination.ExitCodeOf(exit);
        return new ExecutionResult
        {
            JobId = request.JobId,
            ExecutionId = request.ExecutionId,
            Status = reason == TerminationReason.Exited && exitCode == 0 ? ExecutionStatus.Success : ExecutionStatus.Failed,
            Reason = reason,
            ExitCode = exitCode,
            Signal = exit.Signal,
            Stdout = ReadHead(OutputStream.Stdout, ref problem),
            Stderr = ReadHead(OutputStream.Stderr, ref problem),
            Error = Join(Termination.Describe(reason, exit, request), problem),
            CreatedAt = info.CreatedAt,
            StartedAt = info.StartedAt ?? info.CreatedAt,
            FinishedAt = Later(info.StartedAt ?? info.CreatedAt, engine.Time.GetUtcNow()),
        };
    }

    // The clock may have been set back since: nothing ends before it began.
    private static DateTimeOffset Later(DateTimeOffset one, DateTimeOffset other) => one > other ? one : other;

    private CapturedOutput ReadHead(OutputStream stream, ref string? problem)
    {
        try
        {
            return execution.Log.ReadHead(stream, execution.LogLimits.ResultBytes);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            problem = Join(problem, $"The log of {stream} cannot be read: {e.Message}");
            return CapturedOutput.Empty;
        }
    }

    // Says whether the result can be had from the disk, and need not be kept in memory.
    private async Task<bool> RecordAsync(ExecutionResult result)
    {
        if (execution.Recorded) return await TryRecordAsync(() => execution.RecordResultAsync(result));
        if (result.Stdout.Bytes.Length + result.Stderr.Bytes.Length <= SmallResult) return false;
        return await TryRecordAsync(() =>
        {
            ExecutorDirectory.SaveResult(execution.Directory, result);
            return ValueTask.CompletedTask;
        });
    }

    // The storage can be written again: what was told already is made durable, and only then is the execution destroyed.
    private async Task RecordLateAsync(ExecutionResult result)
    {
        await execution.RecordResultAsync(result);
        await DestroyAsync();
        await execution.RecordAgainAsync();
        execution.ForgetResult();
    }

    private Task RecordStopAsync(StopCause cause) => TryRecordAsync(() => execution.RecordStopAsync(Termination.ReasonOf(cause)));

    private async Task<bool> TryRecordAsync(Func<ValueTask> record)
    {
        try
        {
            await record();
            return true;
        }
        catch (ExecutorException e)
        {
            EngineLog.StorageFailed(engine.Logger, execution.Id, e);
            return false;
        }
    }

    private async Task AbandonAsync(ExecutorException error)
    {
        var info = execution.Info with { Status = ExecutionStatus.Failed, Reason = TerminationReason.BackendLost, ExitCode = -1, Error = error.Message };
        await TryRecordAsync(() => execution.MoveAsync(info, ExecutionEventType.Concluded));
        execution.SetError(error);
        Leave();
        execution.SetEnded();
    }

    private async Task DestroyAsync()
    {
        if (execution.Driver is not { } driver) return;
        using var phase = ErgonTelemetry.BeginPhase("destroy", execution.Activity);
        var destroyed = await TryAsync("remove the execution", driver.DestroyAsync);
        await TryAsync("let go of the execution", _ => driver.DisposeAsync());
        execution.Driver = null;
        if (destroyed) DeleteWork();
    }

    // What the driver had on disk, such as the writable disk of a machine, is not kept for as long as the result is.
    private void DeleteWork()
    {
        try
        {
            ExecutorDirectory.Delete(ExecutorDirectory.WorkDirectory(execution.Directory));
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            EngineLog.DriverFailed(engine.Logger, execution.Id, "delete its work directory", e);
        }
    }

    private static ExecutionInfo Concluded(ExecutionInfo info, ExecutionResult result) => info with
    {
        Status = result.Status,
        FinishedAt = result.FinishedAt,
        Reason = result.Reason,
        ExitCode = result.ExitCode,
        Error = result.Error,
    };

    private static string? Join(string? first, string? second) => first is null || second is null ? first ?? second : $"{first} {second}";
}
