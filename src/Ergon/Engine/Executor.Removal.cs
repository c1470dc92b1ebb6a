using Ergon.Engine;
using Ergon.Logs;
using Ergon.Storage;

namespace Ergon;

public sealed partial class Executor
{
    // A backend may hold thousands of executions that nobody knows any more.
    private static readonly TimeSpan CleanupTime = TimeSpan.FromMinutes(5);

    /// <inheritdoc/>
    public async Task RemoveAsync(ExecutionId executionId, TimeSpan timeout, CancellationToken cancellationToken = default)
    {
        var execution = Find(executionId);
        using var deadline = new CancellationTokenSource(timeout, _time);
        using var linked = CancellationTokenSource.CreateLinkedTokenSource(deadline.Token, cancellationToken);
        try
        {
            await StopAndWaitAsync(execution, kill: true, linked.Token);
        }
        catch (OperationCanceledException) when (!cancellationToken.IsCancellationRequested)
        {
            throw new ExecutorException(
                ErrorCode.WaitTimedOut,
                $"Execution '{executionId}' could not be removed within {Duration.Format(timeout)}; its kill goes on. Try again with more time.",
                executionId);
        }

        await ForgetAsync(execution);
    }

    /// <inheritdoc/>
    public async Task CleanupAsync(CancellationToken cancellationToken = default)
    {
        ThrowIfClosed();
        var directory = await OpenAsync(cancellationToken);
        var known = _executions.Values.ToList();
        await Task.WhenAll(known.Select(e => StopAndWaitAsync(e, kill: true, cancellationToken)));
        await Task.WhenAll(known.Select(ForgetAsync));
        var keep = _executions.Keys.ToHashSet();
        await _engine.Calls.RunAsync("clean up", null, token => _driver.CleanupAsync(ExecutorId, keep, token), CleanupTime, cancellationToken);
        foreach (var left in directory.ListDirectories())
        {
            if (ExecutionId.TryParse(Path.GetFileName(left), out var id) && _executions.ContainsKey(id)) continue;
            ExecutorDirectory.Delete(left);
        }
    }

    /// <summary>Ends the executor: running executions are cancelled or left to run on, as <see cref="ExecutorOptions.DisposeBehavior"/> says.</summary>
    public async ValueTask DisposeAsync()
    {
        if (Interlocked.Exchange(ref _disposed, true)) return;
        while (_executions.Values.Where(e => !e.Ended.IsCompleted).ToList() is { Count: > 0 } open)
        {
            foreach (var execution in open)
            {
                if (_options.DisposeBehavior == DisposeBehavior.Detach && execution.Info.Status != ExecutionStatus.Pending) execution.RequestDetach();
                else execution.RequestStop(StopCause.Cancelled);
            }

            await Task.WhenAll(open.Select(e => e.Ended));
        }

        await Task.WhenAll(_executions.Values.Select(e => e.Supervision));
        _engine.Events.Close();
        _retention.Dispose();
        await _engine.Unrecorded.DisposeAsync();
        foreach (var execution in _executions.Values) execution.Dispose();
        await DisposeDriverAsync();
        _directory?.Dispose();
        _engine.Telemetry.Dispose();
    }

    // A driver that cannot let go of its backend must not keep us from letting go of the data directory.
    private async Task DisposeDriverAsync()
    {
        try
        {
            await _engine.Calls.RunAsync("let go of the backend", null, _ => _driver.DisposeAsync());
        }
        catch (ExecutorException e)
        {
            EngineLog.DisposeFailed(_engine.Logger, Name, e);
        }
    }

    private void Retain(Execution execution)
    {
        var finished = execution.Info.FinishedAt ?? _time.GetUtcNow();
        _retention.Add(new Retained(execution.Id, finished, RetainedBytes(execution), execution.Request.PersistLogs), !execution.Released);
    }

    // The log, and the beginning of it that the result has.
    private static long RetainedBytes(Execution execution)
    {
        var log = execution.Log.Position;
        var result = (long)execution.LogLimits.ResultBytes;
        return log.StdoutBytes + log.StderrBytes + (log.Records * LogIndexRecord.Size) + Math.Min(log.StdoutBytes, result) + Math.Min(log.StderrBytes, result);
    }

    // Called when the retention is over, or too much is retained: the execution stays known, so that its id is not used again by accident.
    private async Task ReleaseAsync(ExecutionId id)
    {
        if (!_executions.TryGetValue(id, out var execution) || !execution.Info.IsTerminal || execution.Released) return;
        try
        {
            execution.Release();
            await execution.RecordReleaseAsync();
            ExecutorDirectory.Release(execution);
        }
        catch (Exception e) when (e is ExecutorException or IOException or UnauthorizedAccessException)
        {
            EngineLog.ReleaseFailed(_engine.Logger, id, e);
        }
    }

    // Called when too many are known that have ended.
    private async Task ForgetOldAsync(ExecutionId id)
    {
        try
        {
            if (_executions.TryGetValue(id, out var execution) && execution.Info.IsTerminal) await ForgetAsync(execution);
        }
        catch (Exception e) when (e is ExecutorException or IOException or UnauthorizedAccessException)
        {
            EngineLog.ReleaseFailed(_engine.Logger, id, e);
        }
    }

    private async Task ForgetAsync(Execution execution)
    {
        string? left = null;
        await execution.Gate.WaitAsync();
        try
        {
            // Removed by somebody else meanwhile, or never came to run: then there is nothing left to do.
            if (execution.Forgotten || !_executions.Contains(new(execution.Id, execution))) return;
            execution.Dispose();
            if (execution.Driver is { } unrecorded) await DestroyLateAsync(unrecorded);
            await execution.RemoveAsync(ExecutionEventType.Removed, Forget);
        }
        finally
        {
            execution.Gate.Release();
        }

        if (left is not null) ExecutorDirectory.Delete(left);

        // The directory goes before the id is free: who starts another execution of that id makes this directory again.
        void Forget()
        {
            left = _directory!.SetAside(execution.Directory);
            execution.Forgotten = true;
            _executions.TryRemove(new(execution.Id, execution));
            _retention.Remove(execution.Id);
            ForgetKey(execution.Request);
        }
    }
}
