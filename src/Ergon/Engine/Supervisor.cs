using Ergon.Drivers;

namespace Ergon.Engine;

/// <summary>Watches one started execution until it has ended: pumps its output, stops it when asked, concludes it.</summary>
internal sealed partial class Supervisor(EngineContext engine, Execution execution, Action<Execution> concluded)
{
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
            await AbandonAsync(new ExecutorException(
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
            await RecordStopAsync(cause.Value);
            exit = StopAsync(driver, exit);
        }

        var evidence = await exit;
        // What a former process was ending may have ended while nobody watched.
        cause ??= Termination.CauseOf(execution.Stopping);
        execution.Deadline?.Dispose();
        var lost = await DrainAsync(output, abandon);
        run?.Dispose();
        await ConcludeAsync(evidence, cause, lost);
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

    private async Task<bool> TryAsync(string what, Func<CancellationToken, ValueTask> call)
    {
        try
        {
            await engine.Calls.RunAsync(what, execution.Id, call);
            return true;
        }
        catch (Exception e) when (e is ExecutorException or OperationCanceledException)
        {
            EngineLog.DriverFailed(engine.Logger, execution.Id, what, e);
            return false;
        }
    }

    private static void Observe(Task task) =>
        _ = task.ContinueWith(static t => _ = t.Exception, CancellationToken.None, TaskContinuationOptions.OnlyOnFaulted, TaskScheduler.Default);
}
