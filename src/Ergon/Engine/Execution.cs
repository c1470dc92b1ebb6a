using System.Diagnostics;
using Ergon.Drivers;
using Ergon.Logs;

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
    private readonly EventHub _events;
    private readonly TaskCompletionSource<StopCause> _stop = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly TaskCompletionSource _kill = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly TaskCompletionSource _detach = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly TaskCompletionSource _ended = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly CancellationTokenSource _prepare = new();
    private TaskCompletionSource<ExecutionResult>? _result = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private TaskCompletionSource? _changed;
    private ExecutionInfo _info;
    private volatile bool _released;

    public Execution(ExecutionRequest request, ExecutionInfo info, OutputLog log, string directory, EventHub events)
    {
        Request = request;
        Log = log;
        Directory = directory;
        _info = info;
        _events = events;
    }

    public ExecutionRequest Request { get; }

    public OutputLog Log { get; }

    /// <summary>The execution's own directory below the executor's data directory.</summary>
    public string Directory { get; }

    public ExecutionId Id => Request.ExecutionId;

    /// <summary>Whether a later process may take it over, so that what it needs is recorded; a temporary data directory is found by none.</summary>
    public bool Recorded { get; init; }

    /// <summary>The execution in the backend; set once it is prepared.</summary>
    public IDriverExecution? Driver { get; set; }

    /// <summary>Serializes what changes the status of a started execution: pause, resume, conclusion.</summary>
    public SemaphoreSlim Gate { get; } = new(1, 1);

    /// <summary>Held by whoever removes it.</summary>
    public Lock Removal { get; } = new();

    public RunDeadline? Deadline { get; set; }

    public Activity? Activity { get; set; }

    /// <summary>Whether log and result have been given up after their retention.</summary>
    public bool Released => _released;

    /// <summary>The supervision of a started execution; completes after the execution has ended or was detached.</summary>
    public Task Supervision { get; set; } = Task.CompletedTask;

    public Task<StopCause> StopRequested => _stop.Task;

    public Task KillRequested => _kill.Task;

    public Task DetachRequested => _detach.Task;

    /// <summary>Completes when nothing of the execution runs any more: concluded, failed to start, or detached.</summary>
    public Task Ended => _ended.Task;

    /// <summary>Fires when a pending execution is to be given up.</summary>
    public CancellationToken PrepareCancelled => _prepare.Token;

    public ExecutionInfo Info
    {
        get { lock (_lock) return _info; }
    }

    /// <summary>The result to come; <see langword="null"/> when it is on disk.</summary>
    public Task<ExecutionResult>? Result
    {
        get { lock (_lock) return _result?.Task; }
    }

    /// <summary>Asks for the end; the first cause counts. With <paramref name="kill"/> there is no grace, also when asked later.</summary>
    public void RequestStop(StopCause cause, bool kill = false)
    {
        _stop.TrySetResult(cause);
        if (kill) _kill.TrySetResult();
        if (Info.Status == ExecutionStatus.Pending) _prepare.Cancel();
    }

    public void RequestDetach() => _detach.TrySetResult();

    /// <summary>Changes the snapshot and tells everyone who waits or watches; refuses a move that the state machine does not have.</summary>
    public bool TryMove(ExecutionStatus status, ExecutionEventType type, Func<ExecutionInfo, ExecutionInfo>? change = null)
    {
        TaskCompletionSource? changed;
        lock (_lock)
        {
            if (!StatusRules.CanMove(_info.Status, status)) return false;
            _info = (change?.Invoke(_info) ?? _info) with { Status = status };
            (changed, _changed) = (_changed, null);
            _events.Publish(type, _info);
        }

        changed?.TrySetResult();
        return true;
    }

    /// <summary>Tells watchers of something that does not change the status.</summary>
    public void Publish(ExecutionEventType type)
    {
        lock (_lock) _events.Publish(type, _info);
    }

    /// <summary>Tells watchers how far the preparation is; what comes after it is dropped.</summary>
    public void PublishProgress(PrepareProgress progress)
    {
        lock (_lock)
        {
            if (_info.Status == ExecutionStatus.Pending) _events.Publish(ExecutionEventType.Progress, _info, progress);
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
        lock (_lock)
        {
            if (_result is { } result && result.TrySetException(error)) _ = result.Task.Exception;
            (changed, _changed) = (_changed, null);
        }

        changed?.TrySetResult();
    }

    /// <summary>Ends an execution whose supervision failed: the last resort, so that nobody waits for ever.</summary>
    public void Abandon(ExecutorException error)
    {
        TryMove(ExecutionStatus.Failed, ExecutionEventType.Concluded, info => info with { Reason = TerminationReason.BackendLost, ExitCode = -1, Error = error.Message });
        SetError(error);
        SetEnded();
    }

    public void SetEnded() => _ended.TrySetResult();

    public void Dispose()
    {
        Log.Dispose();
        Deadline?.Dispose();
    }
}
