using System.Runtime.CompilerServices;
using Ergon.Engine;

namespace Ergon;

public sealed partial class Executor
{
    /// <inheritdoc/>
    public async Task PauseAsync(ExecutionId executionId, CancellationToken cancellationToken = default)
    {
        var execution = Find(executionId);
        await ChangeAsync(execution, ExecutionStatus.Running, ExecutionStatus.Paused, ExecutionEventType.Paused, "pause", cancellationToken);
    }

    /// <inheritdoc/>
    public async Task ResumeAsync(ExecutionId executionId, CancellationToken cancellationToken = default)
    {
        var execution = Find(executionId);
        await ChangeAsync(execution, ExecutionStatus.Paused, ExecutionStatus.Running, ExecutionEventType.Resumed, "resume", cancellationToken);
    }

    /// <inheritdoc/>
    public async Task SignalAsync(ExecutionId executionId, Signal signal, CancellationToken cancellationToken = default)
    {
        var execution = Find(executionId);
        if (signal.Number is < 1 or > 64)
            throw new ExecutorException([new RequestProblem("signal", $"is {signal.Number}; give 1 to 64.")], executionId);
        var driver = Started(execution, "signal");
        await _engine.Calls.RunAsync($"send {signal}", executionId, token => driver.SignalAsync(signal, token), cancellationToken);
    }

    /// <inheritdoc/>
    public async Task<IExecSession> ExecAsync(ExecutionId executionId, ExecRequest request, CancellationToken cancellationToken = default)
    {
        var execution = Find(executionId);
        CheckExec(request, executionId);
        var driver = Started(execution, "run a command in");
        if (execution.Info.Status == ExecutionStatus.Paused) throw WrongState(execution, "run a command in", ExecutionStatus.Running);
        using var deadline = new CancellationTokenSource(_options.DriverTimeout, _time);
        using var linked = CancellationTokenSource.CreateLinkedTokenSource(deadline.Token, cancellationToken);
        try
        {
            return await _engine.Calls.RunUntilAsync(
                "run a command inside", executionId, token => driver.ExecAsync(request, token), linked.Token, static late => late.DisposeAsync().AsTask());
        }
        catch (OperationCanceledException) when (!cancellationToken.IsCancellationRequested)
        {
            throw new ExecutorException(
                ErrorCode.BackendUnavailable, $"The {Name} backend did not start the command within {Duration.Format(_options.DriverTimeout)}.", executionId);
        }
        catch (ExecutorException) when (execution.Info.IsTerminal)
        {
            throw Concluded(execution);
        }
    }

    /// <inheritdoc/>
    public IAsyncEnumerable<ExecutionStats> GetStatsAsync(ExecutionId executionId, CancellationToken cancellationToken = default)
    {
        var execution = Find(executionId);
        var driver = Started(execution, "measure");
        return ReadStatsAsync(execution, driver.GetStatsAsync, cancellationToken);
    }

    private async IAsyncEnumerable<ExecutionStats> ReadStatsAsync(
        Execution execution, Func<CancellationToken, IAsyncEnumerable<ExecutionStats>> read, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        using var ended = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        _ = execution.Ended.ContinueWith(
            static (_, source) => CancelQuietly((CancellationTokenSource)source!), ended, CancellationToken.None, TaskContinuationOptions.None, TaskScheduler.Default);
        var samples = read(ended.Token).GetAsyncEnumerator(ended.Token);
        var next = Task.FromResult(false);
        try
        {
            while (true)
            {
                next = samples.MoveNextAsync().AsTask();
                try
                {
                    if (!await next.WaitAsync(ended.Token)) yield break;
                }
                catch (Exception) when (!cancellationToken.IsCancellationRequested && (execution.Ended.IsCompleted || execution.Info.IsTerminal))
                {
                    // What a backend says about an execution that has just ended is no news.
                    yield break;
                }
                catch (Exception e) when (e is not ExecutorException and not OperationCanceledException)
                {
                    throw _engine.Calls.Failed("measure the execution", execution.Id, e);
                }

                yield return samples.Current;
            }
        }
        finally
        {
            // An enumerator cannot be disposed in the middle of a step; a driver that hangs in one is left behind.
            if (next.IsCompleted) await samples.DisposeAsync();
            else DisposeAfter(next, samples);
        }
    }

    private static void DisposeAfter(Task<bool> step, IAsyncEnumerator<ExecutionStats> samples) => _ = step.ContinueWith(
        async finished =>
        {
            _ = finished.Exception;
            await samples.DisposeAsync();
        },
        CancellationToken.None,
        TaskContinuationOptions.None,
        TaskScheduler.Default);

    private static void CancelQuietly(CancellationTokenSource source)
    {
        try
        {
            source.Cancel();
        }
        catch (ObjectDisposedException)
        {
            // The reader left before the execution ended.
        }
    }

    private async Task ChangeAsync(
        Execution execution, ExecutionStatus from, ExecutionStatus to, ExecutionEventType type, string verb, CancellationToken cancellationToken)
    {
        Started(execution, verb);
        await execution.Gate.WaitAsync(cancellationToken);
        try
        {
            var driver = Started(execution, verb);
            if (execution.Info.Status != from) throw WrongState(execution, verb, from);
            if (execution.StopRequested.IsCompleted)
                throw new ExecutorException(ErrorCode.InvalidState, $"Execution '{execution.Id}' is being stopped; it cannot be asked to {verb}.", execution.Id);
            await _engine.Calls.RunAsync(verb, execution.Id, to == ExecutionStatus.Paused ? driver.PauseAsync : driver.ResumeAsync, cancellationToken);
            await RecordChangeAsync(execution, driver, to, type);
            if (to == ExecutionStatus.Paused) execution.Deadline?.Pause();
            else execution.Deadline?.Resume();
        }
        catch (ExecutorException e) when (e.Code != ErrorCode.ExecutionAlreadyConcluded && (execution.Info.IsTerminal || execution.Driver is null))
        {
            throw Concluded(execution);
        }
        finally
        {
            execution.Gate.Release();
        }
    }

    // What cannot be recorded is taken back: a later process would come to another status than the caller was told.
    private async Task RecordChangeAsync(Execution execution, Drivers.IDriverExecution driver, ExecutionStatus to, ExecutionEventType type)
    {
        try
        {
            await execution.MoveAsync(execution.Info with { Status = to }, type);
        }
        catch (ExecutorException)
        {
            await _engine.Calls.RunAsync("undo", execution.Id, to == ExecutionStatus.Paused ? driver.ResumeAsync : driver.PauseAsync);
            throw;
        }
    }

    private static Drivers.IDriverExecution Started(Execution execution, string verb)
    {
        var info = execution.Info;
        if (info.IsTerminal) throw Concluded(execution);
        if (info.Status == ExecutionStatus.Pending) throw WrongState(execution, verb, ExecutionStatus.Running);

        // Between its end and its conclusion an execution has no driver any more.
        return execution.Driver ?? throw Concluded(execution);
    }

    private static ExecutorException WrongState(Execution execution, string verb, ExecutionStatus wanted) => new(
        ErrorCode.InvalidState, $"Execution '{execution.Id}' is '{execution.Info.Status}'; to {verb} it, it must be '{wanted}'.", execution.Id);

    private static void CheckExec(ExecRequest request, ExecutionId id)
    {
        var problems = new RequestProblems();
        if (request.Command.Count == 0 || request.Command[0].Length == 0) problems.Invalid("command", "is empty; name a program.");
        if (request.Command.Any(a => a.Contains('\0'))) problems.Invalid("command", "contains NUL, which no argument can hold.");
        foreach (var (name, value) in request.Environment)
            if (name.Length == 0 || name.Contains('=') || name.Contains('\0') || value.Contains('\0')) problems.Invalid($"environment.{name}", "is not a variable: no empty name, no '=' in it, no NUL.");
        if (request.WorkingDirectory is { } directory && !directory.StartsWith('/')) problems.Invalid("working_directory", $"is '{directory}'; give an absolute path.");
        if (request.Terminal is { } size && (size.Columns is < 1 or > 10000 || size.Rows is < 1 or > 10000)) problems.Invalid("terminal", "has a size outside 1 to 10000.");
        problems.ThrowIfAny(id);
    }
}
