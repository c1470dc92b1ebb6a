using Ergon.Drivers;

namespace Ergon.Engine;

/// <summary>Watches one started execution until it has ended: pumps its output, stops it when asked, concludes it.</summary>
internal sealed class Supervisor(EngineContext engine, Execution execution, Action<Execution> concluded)
{
    // What is smaller than the rest of an execution in memory may stay there.
    private const int SmallResult = 4096;

    /// <summary>Runs until the execution is terminal or detached; never throws.</summary>
    public async Task RunAsync()
    {
        try
        {
            await SuperviseAsync();
        }
        catch (Exception e)
        {
            // Whatever went wrong in here, nobody must wait for ever.
            EngineLog.SupervisionFailed(engine.Logger, execution.Id, e);
            execution.Abandon(new ExecutorException(
                ErrorCode.BackendFailed, $"The supervision of execution '{execution.Id}' failed: {e.Message}", execution.Id, e));
        }
    }

    private async Task SuperviseAsync()
    {
        using var abandon = new CancellationTokenSource();
        var driver = execution.Driver!;
        using var run = ErgonTelemetry.BeginPhase("run", execution.Activity);
        var output = PumpAsync(driver, abandon.Token);
        var exit = WaitForExitAsync(driver, abandon.Token);
        await Task.WhenAny(exit, execution.StopRequested, execution.DetachRequested);
        if (!exit.IsCompleted && execution.DetachRequested.IsCompleted && !execution.StopRequested.IsCompleted)
        {
            await DetachAsync(driver, abandon, output, exit);
            return;
        }

        StopCause? cause = null;
        if (!exit.IsCompleted)
        {
            cause = await execution.StopRequested;
            exit = StopAsync(driver, exit);
        }

        var evidence = await exit;
        execution.Deadline?.Dispose();
        var lost = await DrainAsync(output, abandon);
        run?.Dispose();
        await ConcludeAsync(evidence, cause, lost);
    }

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
            var info = Concluded(execution.Info, result);
            var durable = Record(result, info);
            await DestroyAsync();
            EngineLog.Concluded(engine.Logger, execution.Id, result.Reason, result.ExitCode);
            engine.Telemetry.Concluded(result.Reason, result.FinishedAt - result.StartedAt);
            execution.Activity?.SetTag("ergon.reason", result.Reason.ToString());
            execution.Activity?.Dispose();
            execution.TryMove(result.Status, ExecutionEventType.Concluded, _ => info);
            execution.SetResult(result, durable);
            concluded(execution);
        }
        finally
        {
            execution.Gate.Release();
            execution.SetEnded();
        }
    }

    private async Task PumpAsync(IDriverExecution driver, CancellationToken abandon)
    {
        // Away from the caller at once: a driver may have a lot to read before it waits for the first time.
        await Task.Yield();
        await driver.PumpOutputAsync(execution.Log, abandon);
    }

    private static async Task<DriverExit> WaitForExitAsync(IDriverExecution driver, CancellationToken abandon)
    {
        try
        {
            return await driver.WaitAsync(abandon);
        }
        catch (Exception e) when (!abandon.IsCancellationRequested)
        {
            return new DriverExit { Lost = true, Message = e.Message };
        }
    }

    private async Task<DriverExit> StopAsync(IDriverExecution driver, Task<DriverExit> exit)
    {
        var request = execution.Request;
        if (!execution.KillRequested.IsCompleted)
        {
            if (execution.Info.Status == ExecutionStatus.Paused) await TryAsync("resume", driver.ResumeAsync);
            await TryAsync("send the stop signal", driver.StopAsync);
            using var grace = new CancellationTokenSource();
            await Task.WhenAny(exit, execution.KillRequested, Task.Delay(request.Timeouts.StopGrace, engine.Time, grace.Token));
            await grace.CancelAsync();
        }

        if (exit.IsCompleted) return await exit;
        await TryAsync("kill", driver.KillAsync);
        using var patience = new CancellationTokenSource();
        await Task.WhenAny(exit, Task.Delay(engine.Options.DriverTimeout, engine.Time, patience.Token));
        await patience.CancelAsync();
        return exit.IsCompleted
            ? await exit
            : new DriverExit { Lost = true, Message = $"The {engine.Driver.Name} backend did not confirm the kill within {Duration.Format(engine.Options.DriverTimeout)}." };
    }

    // Returns what to tell the user when the output did not end by itself.
    private async Task<string?> DrainAsync(Task output, CancellationTokenSource abandon)
    {
        using var patience = new CancellationTokenSource();
        await Task.WhenAny(output, Task.Delay(engine.Options.OutputDrainTimeout, engine.Time, patience.Token));
        await patience.CancelAsync();
        var ended = output.IsCompleted;
        await abandon.CancelAsync();
        if (!ended)
        {
            EngineLog.OutputDidNotEnd(engine.Logger, execution.Id, engine.Options.OutputDrainTimeout);
            Observe(output);
            return $"The output did not end within {Duration.Format(engine.Options.OutputDrainTimeout)} after the job; the rest of it is lost.";
        }

        if (output.IsCompletedSuccessfully) return null;
        var failure = output.Exception?.InnerException;
        if (failure is not null) EngineLog.DriverFailed(engine.Logger, execution.Id, "read the output", failure);
        return $"The output is incomplete: {failure?.Message ?? "reading it was given up"}";
    }

    private async Task DetachAsync(IDriverExecution driver, CancellationTokenSource abandon, Task output, Task<DriverExit> exit)
    {
        await abandon.CancelAsync();
        var both = Task.WhenAll(output, exit);
        await both.WaitAsync(engine.Options.DriverTimeout, engine.Time, CancellationToken.None).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        Observe(both);
        execution.Log.Complete();
        await TryAsync("let go of the execution", _ => driver.DisposeAsync());
        engine.Telemetry.Detached();
        execution.Activity?.Dispose();
        execution.SetEnded();
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
            FinishedAt = engine.Time.GetUtcNow(),
        };
    }

    private CapturedOutput ReadHead(OutputStream stream, ref string? problem)
    {
        try
        {
            return execution.Log.ReadHead(stream, execution.Request.LogLimits.ResultBytes);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            problem = Join(problem, $"The log of {stream} cannot be read: {e.Message}");
            return CapturedOutput.Empty;
        }
    }

    // Says whether the result can be had from the disk, and need not be kept in memory.
    private bool Record(ExecutionResult result, ExecutionInfo info)
    {
        try
        {
            var onDisk = execution.Recorded || result.Stdout.Bytes.Length + result.Stderr.Bytes.Length > SmallResult;
            if (onDisk) ExecutorStorage.SaveResult(execution.Directory, result);
            ExecutorStorage.SaveState(execution, info);
            return onDisk;
        }
        catch (ExecutorException e)
        {
            EngineLog.StorageFailed(engine.Logger, execution.Id, e);
            return false;
        }
    }

    private async Task DestroyAsync()
    {
        if (execution.Driver is not { } driver) return;
        using var phase = ErgonTelemetry.BeginPhase("destroy", execution.Activity);
        await TryAsync("remove the execution", driver.DestroyAsync);
        await TryAsync("let go of the execution", _ => driver.DisposeAsync());
        execution.Driver = null;
    }

    private async Task TryAsync(string what, Func<CancellationToken, ValueTask> call)
    {
        try
        {
            await engine.Calls.RunAsync(what, execution.Id, call);
        }
        catch (Exception e) when (e is ExecutorException or OperationCanceledException)
        {
            EngineLog.DriverFailed(engine.Logger, execution.Id, what, e);
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

    private static void Observe(Task task) =>
        _ = task.ContinueWith(static t => _ = t.Exception, CancellationToken.None, TaskContinuationOptions.OnlyOnFaulted, TaskScheduler.Default);
}
