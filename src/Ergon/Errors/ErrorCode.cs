namespace Ergon;

/// <summary>Why an executor could not do its part. The numbers are part of the contract and never change.</summary>
public enum ErrorCode
{
    /// <summary>One or more fields of the request are wrong; all are listed.</summary>
    InvalidRequest = 1,

    /// <summary>The executor does not know the execution.</summary>
    ExecutionNotFound = 2,

    /// <summary>An execution with this id exists and has not ended.</summary>
    ExecutionAlreadyStarted = 3,

    /// <summary>An execution with this id has ended, or its result is no longer retained.</summary>
    ExecutionAlreadyConcluded = 4,

    /// <summary>The execution's status does not allow the operation.</summary>
    InvalidState = 5,

    /// <summary>This backend, here, cannot do what was asked.</summary>
    NotSupported = 6,

    /// <summary>The executor is full, or the machine has less than was asked for.</summary>
    ResourcesUnavailable = 7,

    /// <summary>The image does not exist, may not be read, or has no variant for this platform.</summary>
    ImageUnavailable = 8,

    /// <summary>The backend is missing, dead, or does not answer. Trying again later may help.</summary>
    BackendUnavailable = 9,

    /// <summary>The backend answered with an error that has no better code.</summary>
    BackendFailed = 10,

    /// <summary>Preparing took longer than the prepare timeout.</summary>
    PrepareTimedOut = 11,

    /// <summary>The time that the caller gave to a wait is over.</summary>
    WaitTimedOut = 12,

    /// <summary>The execution was cancelled before its process existed.</summary>
    Cancelled = 13,

    /// <summary>A watcher did not read its events fast enough.</summary>
    WatcherTooSlow = 14,

    /// <summary>The executor has been disposed, or is being disposed.</summary>
    ExecutorClosed = 15,

    /// <summary>The executor's own storage failed: disk full, corrupt, not writable, or in use by another process.</summary>
    StorageFailed = 16,
}
