using Ergon.Daemon.Executors;
using Ergon.Daemon.Security;
using Ergon.Daemon.Settings;
using Ergon.Logs;

namespace Ergon.Daemon;

/// <summary>What a daemon does, for whichever interface asks for it: finds the executor, and takes down who changed what.</summary>
internal sealed class Operations(ExecutorSet executors, LiveSettings settings, Drain drain, SettingsReload reload, AuditLog audit, CancellationToken stopping)
{
    public const int MaxPage = 1000;

    // What a timer takes.
    private static readonly TimeSpan LongestWait = TimeSpan.FromDays(49);

    private readonly KeyedStarts _starts = new(executors);

    public ExecutorSet Executors => executors;

    /// <summary>Cancelled when the daemon is being stopped: streams and waits end then, and can be asked for again from the next one.</summary>
    public CancellationToken Stopping => stopping;

    /// <summary>Whether the daemon can take new executions; being able to run some jobs is enough.</summary>
    public async Task<Readiness> CheckReadinessAsync()
    {
        if (stopping.IsCancellationRequested) return Readiness.NotReady;
        if (drain.State is not null) return Readiness.Draining;
        return await executors.IsAnyServingAsync() ? Readiness.Ready : Readiness.NotReady;
    }

    public Task<StartedExecution> StartAsync(Caller caller, ExecutionRequest request, CancellationToken cancellationToken) =>
        AuditedAsync(caller, "start", request.ExecutionId.Value, () =>
        {
            settings.Current.Options.Policy.Check(request);
            return _starts.StartAsync(request, cancellationToken);
        });

    public async Task<ExecutionResult> WaitAsync(ExecutionId id, CancellationToken cancellationToken) =>
        await (await executors.FindAsync(id, cancellationToken)).WaitAsync(id, cancellationToken);

    public Task CancelAsync(Caller caller, ExecutionId id, CancellationToken cancellationToken) =>
        ActAsync(caller, "cancel", id, e => e.CancelAsync(id, cancellationToken), cancellationToken);

    public Task UndoStartAsync(Caller caller, string key, ExecutionId id, CancellationToken cancellationToken) =>
        AuditedAsync(caller, "undo start", id.Value, async () =>
        {
            await _starts.UndoAsync(key, id, cancellationToken);
            return true;
        });

    public Task PauseAsync(Caller caller, ExecutionId id, CancellationToken cancellationToken) =>
        ActAsync(caller, "pause", id, e => e.PauseAsync(id, cancellationToken), cancellationToken);

    public Task ResumeAsync(Caller caller, ExecutionId id, CancellationToken cancellationToken) =>
        ActAsync(caller, "resume", id, e => e.ResumeAsync(id, cancellationToken), cancellationToken);

    public Task SignalAsync(Caller caller, ExecutionId id, Signal signal, CancellationToken cancellationToken) =>
        ActAsync(caller, $"signal {signal}", id, e => e.SignalAsync(id, signal, cancellationToken), cancellationToken);

    public Task RemoveAsync(Caller caller, ExecutionId id, TimeSpan timeout, CancellationToken cancellationToken) =>
        ActAsync(caller, "remove", id, e => e.RemoveAsync(id, timeout, cancellationToken), cancellationToken);

    public Task CleanupAsync(Caller caller, string? executor, CancellationToken cancellationToken) =>
        AuditedAsync(caller, "cleanup", executor, async () =>
        {
            await executors.CleanupAsync(executor, cancellationToken);
            return true;
        });

    /// <summary>Takes no new executions from now on; then waits until nothing runs any more, or for as long as is said.</summary>
    public async Task<DrainProgress> DrainAsync(Caller caller, TimeSpan wait, CancellationToken cancellationToken)
    {
        await AuditedAsync(caller, "drain", null, () =>
        {
            drain.Begin(caller.Name);
            return Task.FromResult(true);
        });
        if (wait > TimeSpan.Zero)
        {
            using var deadline = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
            deadline.CancelAfter(wait < LongestWait ? wait : LongestWait);
            await executors.WaitUntilIdleAsync(deadline.Token).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            cancellationToken.ThrowIfCancellationRequested();
        }

        return await GetDrainAsync(cancellationToken);
    }

    public async Task<DrainProgress> UndoDrainAsync(Caller caller, CancellationToken cancellationToken)
    {
        await AuditedAsync(caller, "undo drain", null, () =>
        {
            drain.Undo();
            return Task.FromResult(true);
        });
        return await GetDrainAsync(cancellationToken);
    }

    public async Task<DrainProgress> GetDrainAsync(CancellationToken cancellationToken) =>
        new(drain.State, await executors.CountActiveAsync(cancellationToken));

    public Task<SettingsChange> ReloadAsync(Caller caller) => AuditedAsync(caller, "reload", null, () => Task.Run(reload.Reload));

    public Task<IExecSession> ExecAsync(Caller caller, ExecutionId id, ExecRequest request, CancellationToken cancellationToken) =>
        AuditedAsync(caller, "exec", id.Value, async () => await (await executors.FindAsync(id, cancellationToken)).ExecAsync(id, request, cancellationToken));

    public async Task<ExecutionInfo> GetStatusAsync(ExecutionId id, CancellationToken cancellationToken) =>
        await (await executors.FindAsync(id, cancellationToken)).GetStatusAsync(id, cancellationToken);

    public async Task<ExecutionInfo> WaitForStatusAsync(ExecutionId id, ExecutionStatus status, TimeSpan timeout, CancellationToken cancellationToken) =>
        await (await executors.FindAsync(id, cancellationToken)).WaitForStatusAsync(id, status, timeout, cancellationToken);

    public async Task<(LogReader Log, LogCursor Start)> OpenLogAsync(LogStreamRequest request, CancellationToken cancellationToken)
    {
        var executor = await executors.FindAsync(request.ExecutionId, cancellationToken);
        return (executor.OpenLog(request, out var start), start);
    }

    public async Task<IAsyncEnumerable<ExecutionStats>> OpenStatsAsync(ExecutionId id, CancellationToken cancellationToken) =>
        (await executors.FindAsync(id, cancellationToken)).GetStatsAsync(id, cancellationToken);

    public async Task<ExecutorFingerprint> FingerprintAsync(string executor, CancellationToken cancellationToken) =>
        await executors.Named(executor).Executor.FingerprintAsync(cancellationToken);

    /// <summary>Lists a page, oldest first; the token of a page is where the one before it ended.</summary>
    public async Task<(IReadOnlyList<ExecutionInfo> Page, string NextToken)> ListAsync(
        ListRequest request, string? executor, string? idPrefix, int pageSize, string pageToken, CancellationToken cancellationToken)
    {
        var infos = await executors.ListAsync(request, executor, cancellationToken);
        if (idPrefix is not null) infos.RemoveAll(i => !i.ExecutionId.Value.StartsWith(idPrefix, StringComparison.Ordinal));
        if (pageToken.Length > 0)
        {
            var after = PageToken.Parse(pageToken);
            infos.RemoveAll(i => !after.IsBefore(i));
        }

        var size = pageSize is > 0 and < MaxPage ? pageSize : MaxPage;
        return infos.Count <= size ? (infos, "") : (infos.GetRange(0, size), PageToken.After(infos[size - 1]).ToString());
    }

    private Task ActAsync(Caller caller, string action, ExecutionId id, Func<Executor, Task> act, CancellationToken cancellationToken) =>
        AuditedAsync(caller, action, id.Value, async () =>
        {
            await act(await executors.FindAsync(id, cancellationToken));
            return true;
        });

    private async Task<T> AuditedAsync<T>(Caller caller, string action, string? target, Func<Task<T>> act)
    {
        try
        {
            var outcome = await act();
            await audit.RecordAsync(caller, action, target, "ok");
            return outcome;
        }
        catch (Exception e)
        {
            await audit.RecordAsync(caller, action, target, (e as ExecutorException)?.Code.ToString() ?? e.GetType().Name);
            throw;
        }
    }
}

/// <summary>Whether a daemon can take new executions.</summary>
internal enum Readiness
{
    /// <summary>It can.</summary>
    Ready,

    /// <summary>No backend does its part, or the daemon is being stopped.</summary>
    NotReady,

    /// <summary>It was told to take none.</summary>
    Draining,
}
