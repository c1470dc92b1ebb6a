namespace Ergon;

/// <summary>Where an execution is: <c>pending -> running &lt;-> paused -> success | failed</c>. Terminal statuses never change.</summary>
public enum ExecutionStatus
{
    /// <summary>Being prepared: the job's process does not exist yet.</summary>
    Pending,

    /// <summary>The job's process runs.</summary>
    Running,

    /// <summary>Every process of the execution is frozen.</summary>
    Paused,

    /// <summary>The job ended by itself with exit code 0.</summary>
    Success,

    /// <summary>The job ended in any other way.</summary>
    Failed,
}

/// <summary>How an execution ended, from evidence and never guessed from an exit code.</summary>
public enum TerminationReason
{
    /// <summary>The job's main process exited by itself.</summary>
    Exited,

    /// <summary>A signal ended the job's main process: its own, or one sent with <see cref="IExecutor.SignalAsync"/>.</summary>
    Signaled,

    /// <summary>The kernel killed it because the memory limit was reached.</summary>
    OutOfMemory,

    /// <summary>The run timeout was over.</summary>
    TimedOut,

    /// <summary>It was cancelled or removed.</summary>
    Cancelled,

    /// <summary>Somebody killed it past this executor.</summary>
    KilledExternally,

    /// <summary>The backend died or lost the execution; how the job ended is not known.</summary>
    BackendLost,
}
