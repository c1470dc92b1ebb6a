using Ergon.Drivers;

namespace Ergon.Engine;

/// <summary>Calls a driver so that neither a hang nor a foreign exception of its gets any further.</summary>
internal sealed class DriverCalls(IExecutionDriver driver, TimeSpan timeout, TimeProvider time)
{
    // How long a driver that was cancelled may take to undo what it began, before the engine goes on without it.
    private static readonly TimeSpan UndoTime = TimeSpan.FromSeconds(10);

    /// <summary>Runs one call with the executor's driver timeout.</summary>
    /// <exception cref="ExecutorException">As <see cref="RunAsync(string, ExecutionId?, Func{CancellationToken, ValueTask}, TimeSpan, CancellationToken)"/>.</exception>
    public Task RunAsync(string what, ExecutionId? id, Func<CancellationToken, ValueTask> call, CancellationToken cancellationToken = default) =>
        RunAsync(what, id, call, timeout, cancellationToken);

    /// <summary>Runs one call with a timeout of its own.</summary>
    /// <exception cref="ExecutorException"><see cref="ErrorCode.BackendUnavailable"/> when the time is over; else what the driver reported.</exception>
    public async Task RunAsync(string what, ExecutionId? id, Func<CancellationToken, ValueTask> call, TimeSpan limit, CancellationToken cancellationToken)
    {
        using var deadline = new CancellationTokenSource(limit, time);
        using var linked = CancellationTokenSource.CreateLinkedTokenSource(deadline.Token, cancellationToken);
        try
        {
            await RunUntilAsync(what, id, async token => { await call(token); return true; }, linked.Token);
        }
        catch (OperationCanceledException) when (deadline.IsCancellationRequested && !cancellationToken.IsCancellationRequested)
        {
            throw new ExecutorException(
                ErrorCode.BackendUnavailable,
                $"The {driver.Name} backend did not {what} within {Duration.Format(limit)}. Look at its health ('ergon doctor'), then try again.",
                id);
        }
    }

    /// <summary>Runs one call until it is done or the token fires; a driver that ignores the token is left behind.</summary>
    /// <param name="what">What the driver is asked to do, as a verb.</param>
    /// <param name="id">The execution concerned.</param>
    /// <param name="call">The call.</param>
    /// <param name="cancellationToken">Ends the call.</param>
    /// <param name="undo">Takes the value of a call that completed after it was given up.</param>
    public async Task<T> RunUntilAsync<T>(
        string what, ExecutionId? id, Func<CancellationToken, ValueTask<T>> call, CancellationToken cancellationToken, Func<T, Task>? undo = null)
    {
        cancellationToken.ThrowIfCancellationRequested();
        Task<T> task;
        try
        {
            task = call(cancellationToken).AsTask();
            if (!task.IsCompleted) await WaitWithUndoTimeAsync(task, cancellationToken);
        }
        catch (Exception e) when (e is not ExecutorException and not OperationCanceledException)
        {
            throw CancelledOrFailed(what, id, e, cancellationToken);
        }

        if (!task.IsCompleted)
        {
            LeaveBehind(task, undo);
            throw new OperationCanceledException(cancellationToken);
        }

        try
        {
            return await task;
        }
        catch (OperationCanceledException) when (!cancellationToken.IsCancellationRequested)
        {
            throw new ExecutorException(ErrorCode.BackendFailed, $"The {driver.Name} backend gave up when asked to {what}.", id);
        }
        catch (Exception e) when (e is not ExecutorException and not OperationCanceledException)
        {
            throw CancelledOrFailed(what, id, e, cancellationToken);
        }
    }

    private async Task WaitWithUndoTimeAsync(Task task, CancellationToken cancellationToken)
    {
        await task.WaitAsync(cancellationToken).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        if (!task.IsCompleted)
            await task.WaitAsync(UndoTime, time, CancellationToken.None).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
    }

    private static void LeaveBehind<T>(Task<T> task, Func<T, Task>? undo) => _ = task.ContinueWith(
        async finished =>
        {
            _ = finished.Exception;
            if (finished.IsCompletedSuccessfully && undo is not null) await undo(finished.Result);
        },
        CancellationToken.None,
        TaskContinuationOptions.None,
        TaskScheduler.Default);

    // What a client library throws when its call is cut off is often something else than what it should be.
    private Exception CancelledOrFailed(string what, ExecutionId? id, Exception e, CancellationToken cancellationToken) =>
        cancellationToken.IsCancellationRequested ? new OperationCanceledException(e.Message, e, cancellationToken) : Failed(what, id, e);

    /// <summary>What a foreign exception of the driver is reported as.</summary>
    public ExecutorException Failed(string what, ExecutionId? id, Exception e) =>
        new(ErrorCode.BackendFailed, $"The {driver.Name} backend failed to {what}: {e.Message}", id, e);
}
