using System.Diagnostics;
using Ergon.Admission;
using Ergon.Drivers;
using Ergon.Logs;
using Ergon.Storage;

namespace Ergon.Engine;

/// <summary>Why the engine ends an execution before it ends itself.</summary>
internal enum StopCause
{
    Cancelled,
    TimedOut,
}

/// <summary>One execution: the mutable cell that holds its immutable snapshot, and the signals that move it.</summary>
internal sealed class Execution : IDisposable
{
    private readonly Lock _lock = new();
    private readonly Journal _journal;
    private readonly EventHub _events;
    private readonly TimeProvider _time;

    // What is over is let go of: of an execution that has ended, which may stay known for days, only what is asked for is kept.
    private Demands? _demands = new();
    private TaskCompletionSource? _ended = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private TaskCompletionSource? _startEnded = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private TaskCompletionSource<ExecutionResult>? _result = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private TaskCompletionSource? _changed;
    private ExecutionInfo _info;
    private volatile bool _released;

    public Execution(ExecutionRequest request, ExecutionInfo info, OutputLog log, string directory, EngineContext engine)
    {
        Request = request;
        Log = log;
        Directory = directory;
        _info = info;
        _journal = engine.Journal;
        _events = engine.Events;
        _time = engine.Time;
    }

    public ExecutionRequest Request { get; }

    public OutputLog Log { get; }

    /// <summary>How much of its output is kept: what the request asks for, within what the operator allows.</summary>
    public required LogLimits LogLimits { get; init; }

    /// <summary>The execution's own directory below the executor's data directory.</summary>
    public string Directory { get; }

    public ExecutionId Id => Request.ExecutionId;

    /// <summary>Whether a later process may take it over, so that what it needs is recorded; a temporary data directory is found by none.</summary>
    public bool Recorded => _journal.IsDurable;

    /// <summary>Whether its start is recorded, so that it may be seen.</summary>
    public bool Visible { get; private set; }

    /// <summary>Why it is being ended, as it is recorded.</summary>
    public TerminationReason? Stopping { get; private set; }

    /// <summary>How long it has been paused.</summary>
    public PauseTimes Pauses { get; private set; }

    /// <summary>Its share of the resources, or its place in the queue for one.</summary>
    public AdmissionTicket? Share { get; set; }

    /// <summary>The execution in the backend; set once it is prepared.</summary>
    public IDriverExecution? Driver { get; set; }

    /// <summary>Serializes what changes the status of a started execution: pause, resume, conclusion.</summary>
    public SemaphoreSlim Gate { get; } = new(1, 1);

    /// <summary>Whether it was removed.</summary>
    public bool Forgotten { get; set; }

    public RunDeadline? Deadline { get; set; }

    public Activity? Activity { get; set; }

    /// <summary>Whether log and result have been given up after their retention.</summary>
    public bool Released => _released;

    /// <summary>The supervision of a started execution; completes after the execution has ended or was detached.</summary>
    public Task Supervision { get; set; } = Task.CompletedTask;

    public Task<StopCause> StopRequested => Asked.Stop.Task;

    public Task KillRequested => Asked.Kill.Task;

    public Task DetachRequested => Asked.Detach.Task;

    /// <summary>Completes when the start has succeeded; fails as the start did.</summary>
    public Task StartEnded => Volatile.Read(ref _startEnded)?.Task ?? Task.CompletedTask;

    /// <summary>Completes when nothing of the execution runs any more: concluded, failed to start, or detached.</summary>
    public Task Ended => Volatile.Read(ref _ended)?.Task ?? Task.CompletedTask;

    /// <summary>Fires when a pending execution is to be given up.</summary>
    public CancellationToken PrepareCancelled => Asked.Prepare.Token;

    // Of what has ended nothing can be asked any more.
    private Demands Asked => Volatile.Read(ref _demands) ?? Demands.None;

    public ExecutionInfo Info
    {
        get { lock (_lock) return _info; }
    }

    /// <summary>The snapshot as it is told, with the place in the queue of an execution that waits.</summary>
    public ExecutionInfo Snapshot
    {
        get
        {
            var info = Info;
            return info.Status == ExecutionStatus.Pending && Share?.Position is { } position ? info with { QueuePosition = position } : info;
        }
    }

    /// <summary>The result to come; <see langword="null"/> when it is on disk.</summary>
    public Task<ExecutionResult>? Result
    {
        get { lock (_lock) return _result?.Task; }
    }

    /// <summary>Asks for the end; the first cause counts. With <paramref name="kill"/> there is no grace, also when asked later.</summary>
    public void RequestStop(StopCause cause, bool kill = false)
    {
        if (Volatile.Read(ref _demands) is not { } demands) return;
        demands.Stop.TrySetResult(cause);
        if (kill) demands.Kill.TrySetResult();
        if (Info.Status == ExecutionStatus.Pending) demands.Prepare.Cancel();
    }

    public void RequestDetach() => Volatile.Read(ref _demands)?.Detach.TrySetResult();

    /// <summary>Records the request, and tells watchers that there is an execution.</summary>
    /// <exception cref="ExecutorException"><see cref="ErrorCode.StorageFailed"/>: nobody can see it.</exception>
    public ValueTask CreateAsync() =>
        _journal.RecordAsync(new ExecutionChange { Info = Snapshot, Request = Request }, ExecutionEventType.Created, () => Visible = true);

    /// <summary>Takes over what is recorded already.</summary>
    public void Restore(StoredExecution stored)
    {
        (Stopping, Pauses) = (stored.Stopping, stored.Pauses);
        if (stored.Released) Release();
        if (_info.Status != ExecutionStatus.Pending) SetStartEnded();
        Visible = true;
    }

    /// <summary>Records a change, changes the snapshot, and tells everyone; its caller sees to it that no other change is made meanwhile.</summary>
    /// <param name="next">The snapshot after the change; a move that the state machine does not have changes nothing.</param>
    /// <param name="type">What the watchers are told.</param>
    /// <exception cref="ExecutorException"><see cref="ErrorCode.StorageFailed"/>: nothing has changed, unless it has ended: that is told anyway.</exception>
    public ValueTask MoveAsync(ExecutionInfo next, ExecutionEventType type)
    {
        if (!StatusRules.CanMove(Info.Status, next.Status)) return ValueTask.CompletedTask;
        var pauses = Pauses.MovedTo(next.Status, _time.GetUtcNow());
        var change = new ExecutionChange { Info = next, Stopping = Stopping, Pauses = pauses };
        return _journal.RecordAsync(change, type, () => Set(next, pauses), tellAnyway: next.IsTerminal);
    }

    /// <summary>Records and tells something that does not change the status.</summary>
    /// <exception cref="ExecutorException"><see cref="ErrorCode.StorageFailed"/>.</exception>
    public ValueTask RecordAsync(ExecutionEventType type) =>
        _journal.RecordAsync(new ExecutionChange { Info = Info, Stopping = Stopping, Pauses = Pauses }, type, static () => true);

    /// <summary>Records why it is being ended, so that a later process ends it for the same reason.</summary>
    /// <exception cref="ExecutorException"><see cref="ErrorCode.StorageFailed"/>.</exception>
    public ValueTask RecordStopAsync(TerminationReason reason)
    {
        if (Stopping is not null) return ValueTask.CompletedTask;
        Stopping = reason;
        return _journal.RecordAsync(new ExecutionChange { Info = Info, Stopping = reason, Pauses = Pauses });
    }

    /// <summary>Records how it ended, before it is destroyed and anybody is told.</summary>
    /// <exception cref="ExecutorException"><see cref="ErrorCode.StorageFailed"/>.</exception>
    public ValueTask RecordResultAsync(ExecutionResult result) =>
        _journal.RecordAsync(new ExecutionChange { Info = Info, Result = result, Stopping = Stopping, Pauses = Pauses });

    /// <summary>Records the snapshot, which was told before it could be recorded.</summary>
    /// <exception cref="ExecutorException"><see cref="ErrorCode.StorageFailed"/>.</exception>
    public ValueTask RecordAgainAsync() => _journal.RecordAsync(new ExecutionChange { Info = Info, Stopping = Stopping });

    /// <summary>Records that log and result are given up.</summary>
    /// <exception cref="ExecutorException"><see cref="ErrorCode.StorageFailed"/>.</exception>
    public ValueTask RecordReleaseAsync() => _journal.RecordAsync(new ExecutionChange { Info = Info, Released = true });

    /// <summary>Records that it is forgotten, forgets it, and tells watchers.</summary>
    /// <param name="type">What the watchers are told, if they know of it.</param>
    /// <param name="forget">Makes its id free.</param>
    /// <param name="tellAnyway">Whether it is forgotten also when that cannot be recorded.</param>
    /// <exception cref="ExecutorException"><see cref="ErrorCode.StorageFailed"/>.</exception>
    public ValueTask RemoveAsync(ExecutionEventType type, Action forget, bool tellAnyway = false)
    {
        if (Visible) return _journal.RecordAsync(new ExecutionChange { Info = Info, Removed = true }, type, () => { forget(); return true; }, tellAnyway);
        forget();
        return ValueTask.CompletedTask;
    }

    private bool Set(ExecutionInfo next, PauseTimes pauses)
    {
        TaskCompletionSource? changed;
        lock (_lock)
        {
            if (!StatusRules.CanMove(_info.Status, next.Status)) return false;
            _info = next;
            Pauses = pauses;
            (changed, _changed) = (_changed, null);
        }

        // The first move leads out of the preparation.
        SetStartEnded();
        changed?.TrySetResult();
        return true;
    }

    /// <summary>Tells watchers how far the preparation is; what comes after it is dropped.</summary>
    public void PublishProgress(PrepareProgress progress)
    {
        lock (_lock)
        {
            if (_info.Status == ExecutionStatus.Pending) _events.PublishProgress(Snapshot, progress);
        }
    }

    /// <summary>Completes at the next change of the snapshot after the one that was seen.</summary>
    public Task ChangedSince(ExecutionInfo seen)
    {
        lock (_lock)
        {
            if (!ReferenceEquals(seen, _info)) return Task.CompletedTask;
            _changed ??= new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
            return _changed.Task;
        }
    }

    /// <summary>Gives the result to the waiters and, when it is on disk, lets go of it, so that retained results cost no memory.</summary>
    public void SetResult(ExecutionResult result, bool onDisk)
    {
        TaskCompletionSource<ExecutionResult>? waiting;
        lock (_lock)
        {
            waiting = _result;
            if (onDisk) _result = null;
        }

        waiting?.TrySetResult(result);
    }

    /// <summary>Gives up the result after its retention.</summary>
    public void Release()
    {
        _released = true;
        ForgetResult();
    }

    /// <summary>The result is on disk, or given up: it is not awaited here.</summary>
    public void ForgetResult()
    {
        lock (_lock) _result = null;
    }

    /// <summary>Fails the waiters of an execution that will have no result.</summary>
    public void SetError(ExecutorException error)
    {
        TaskCompletionSource? changed;
        if (Volatile.Read(ref _startEnded) is { } start && start.TrySetException(error)) _ = start.Task.Exception;
        lock (_lock)
        {
            if (_result is { } result && result.TrySetException(error)) _ = result.Task.Exception;
            (changed, _changed) = (_changed, null);
        }

        changed?.TrySetResult();
    }

    /// <summary>Nothing of it runs any more.</summary>
    public void SetEnded()
    {
        Interlocked.Exchange(ref _ended, null)?.TrySetResult();
        Volatile.Write(ref _demands, null);
        Deadline?.Dispose();
        (Deadline, Activity) = (null, null);
    }

    public void Dispose()
    {
        Log.Dispose();
        Deadline?.Dispose();
        Share?.Dispose();
    }

    private void SetStartEnded() => Interlocked.Exchange(ref _startEnded, null)?.TrySetResult();
}
