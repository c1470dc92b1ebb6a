using Ergon.Storage;
using Microsoft.Win32.SafeHandles;

namespace Ergon.Drivers;

/// <summary>
/// The part of an executor that talks to one backend. It creates, starts, signals, pauses, execs, reads and destroys, and knows
/// nothing of policy: ids, states, deadlines, waiting, logs, results and retention are the engine's.
/// </summary>
/// <remarks>
/// The engine calls the methods of a driver concurrently for different executions. A driver reports what it could not do with an
/// <see cref="ExecutorException"/>; anything else that it throws is reported as <see cref="ErrorCode.BackendFailed"/>.
/// </remarks>
public interface IExecutionDriver : IAsyncDisposable
{
    /// <summary>The engine spec type that the driver understands, which is also the executor's name.</summary>
    string Name { get; }

    /// <summary>Looks at the backend. It does not throw for a missing backend; it says what to do about it.</summary>
    ValueTask<ExecutorFingerprint> FingerprintAsync(CancellationToken cancellationToken);

    /// <summary>
    /// Adds everything that is wrong with the parts of the request that only the driver understands; fast, and without asking the
    /// backend. The common parts have been checked by the engine in the same pass.
    /// </summary>
    void Validate(ExecutionRequest request, RequestProblems problems);

    /// <summary>
    /// Creates everything that the execution needs, but does not start it. Throws with nothing left behind when it fails or is cancelled.
    /// </summary>
    ValueTask<IDriverExecution> PrepareAsync(DriverContext context, CancellationToken cancellationToken);

    /// <summary>
    /// Finds what a former process left in the backend for the execution, and whether its job was started;
    /// <see langword="null"/> when there is nothing.
    /// </summary>
    ValueTask<IDriverExecution?> AttachAsync(DriverContext context, CancellationToken cancellationToken);

    /// <summary>Destroys everything in the backend that carries the executor id, except the executions to keep.</summary>
    ValueTask CleanupAsync(string executorId, IReadOnlySet<ExecutionId> keep, CancellationToken cancellationToken);
}

/// <summary>What the engine gives to a driver for one execution.</summary>
public sealed record DriverContext
{
    private bool _hasWorkDirectory;

    /// <summary>The validated request.</summary>
    public required ExecutionRequest Request { get; init; }

    /// <summary>The executor's id: everything created in the backend is marked with it.</summary>
    public required string ExecutorId { get; init; }

    /// <summary>
    /// A private directory (0700) for the driver's own files, which is made when it is first asked for; the engine deletes it after the execution is
    /// destroyed. Throws <see cref="ErrorCode.StorageFailed"/> when it cannot be made.
    /// </summary>
    public required string WorkDirectory
    {
        get
        {
            if (!_hasWorkDirectory) ExecutorDirectory.Create(field, Request.ExecutionId);
            _hasWorkDirectory = true;
            return field;
        }
        init;
    }

    /// <summary>
    /// Whether a later process can be asked to attach to the execution. Where not, it must end when this process does, if it can be made to.
    /// </summary>
    public bool Outlives { get; init; }

    /// <summary>Takes progress of the preparation; returns at once.</summary>
    public Action<PrepareProgress> ReportProgress { get; init; } = static _ => { };
}

/// <summary>
/// One execution in a backend. The engine calls, in this order: <see cref="StartAsync"/>; then <see cref="PumpOutputAsync"/> and
/// <see cref="WaitAsync"/> at once and exactly once; the others while it runs; <see cref="CollectOutputsAsync"/> and
/// <see cref="DestroyAsync"/> after its end; <see cref="IAsyncDisposable.DisposeAsync"/> last.
/// </summary>
/// <remarks>Disposing lets go of connections and handles but leaves the execution in the backend as it is.</remarks>
public interface IDriverExecution : IAsyncDisposable
{
    /// <summary>Whether the job's process has been started, by this process or a former one.</summary>
    bool Started { get; }

    /// <summary>The host ports that lead into it, with the numbers that the backend chose; known after the start.</summary>
    IReadOnlyList<PortMapping> Ports { get; }

    /// <summary>
    /// Starts the job's process. A command that does not exist or cannot be executed is not an error: <see cref="WaitAsync"/> then
    /// reports 127 or 126. When it throws, the job's process must not exist.
    /// </summary>
    ValueTask StartAsync(CancellationToken cancellationToken);

    /// <summary>
    /// Copies everything that the job writes, from the beginning (or, when attached, from where <paramref name="output"/> already is),
    /// and completes at the end of both streams. A full sink makes the job wait.
    /// </summary>
    Task PumpOutputAsync(IOutputSink output, CancellationToken cancellationToken);

    /// <summary>Completes when the job's main process has ended and every other process of the execution is dead.</summary>
    Task<DriverExit> WaitAsync(CancellationToken cancellationToken);

    /// <summary>Sends a signal to the job's main process; nothing happens when it has ended.</summary>
    ValueTask SignalAsync(Signal signal, CancellationToken cancellationToken);

    /// <summary>Sends the stop signal that the spec or the image names, SIGTERM otherwise.</summary>
    ValueTask StopAsync(CancellationToken cancellationToken);

    /// <summary>Kills every process of the execution, paused or not; nothing happens when it has ended.</summary>
    ValueTask KillAsync(CancellationToken cancellationToken);

    /// <summary>Freezes every process of the execution.</summary>
    ValueTask PauseAsync(CancellationToken cancellationToken);

    /// <summary>Thaws every process of the execution.</summary>
    ValueTask ResumeAsync(CancellationToken cancellationToken);

    /// <summary>Runs another command inside.</summary>
    ValueTask<IExecSession> ExecAsync(ExecRequest request, CancellationToken cancellationToken);

    /// <summary>Streams resource use, the first sample at once and then about one a second; ends with the execution.</summary>
    IAsyncEnumerable<ExecutionStats> GetStatsAsync(CancellationToken cancellationToken);

    /// <summary>Brings the outputs into the results directory, unless they are there already. Called after every end, also of a failed job.</summary>
    ValueTask CollectOutputsAsync(CancellationToken cancellationToken);

    /// <summary>Removes everything of the execution from the backend, killing what still runs. May be called in any state, and again.</summary>
    ValueTask DestroyAsync(CancellationToken cancellationToken);
}

/// <summary>Where a driver writes the job's output.</summary>
public interface IOutputSink
{
    /// <summary>Appends bytes to a stream; the memory may be reused as soon as it completes.</summary>
    ValueTask WriteAsync(OutputStream stream, ReadOnlyMemory<byte> data, CancellationToken cancellationToken);

    /// <summary>
    /// Appends bytes that the source puts into the log's file by itself, so that output which cannot be sent again is at no moment in the
    /// memory of this process alone. Returns what the source returned.
    /// </summary>
    int Append(OutputStream stream, OutputSource source);

    /// <summary>The last bytes of what was kept, both streams in their order: to tell what a script that failed wrote last.</summary>
    byte[] ReadEnd(int maxBytes);

    /// <summary>How many bytes of the stream have been taken so far, also by a former process: a re-attached driver goes on from there.</summary>
    long GetPosition(OutputStream stream);
}

/// <summary>Puts output into a file, without waiting for any.</summary>
/// <param name="file">The file; <see langword="null"/>: drop it, there is no room.</param>
/// <param name="offset">Where in the file; it may be written at once up to the end, and nowhere else.</param>
/// <param name="maxBytes">The most to put there.</param>
/// <returns>How many bytes it was; 0 when there are none now.</returns>
public delegate int OutputSource(SafeFileHandle? file, long offset, int maxBytes);

/// <summary>The evidence of how a job's main process ended. The engine decides on the reason.</summary>
public sealed record DriverExit
{
    /// <summary>The exit code, when the process exited; 128+n when the backend reports a signal only so.</summary>
    public int? ExitCode { get; init; }

    /// <summary>The signal that ended the process, when that is known for certain.</summary>
    public Signal? Signal { get; init; }

    /// <summary>The kernel killed a process of the execution because its memory limit was reached.</summary>
    public bool OutOfMemory { get; init; }

    /// <summary>There is evidence that somebody ended it past the executor.</summary>
    public bool KilledExternally { get; init; }

    /// <summary>The backend died or lost the execution; nothing else is known.</summary>
    public bool Lost { get; init; }

    /// <summary>What should be told to the user: why a command could not be run, which provision script failed, ...</summary>
    public string? Message { get; init; }
}
