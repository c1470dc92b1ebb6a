using Ergon.Drivers;

namespace Ergon.Process.Native;

/// <summary>How an execution ends, is removed, or is left to a later process.</summary>
internal sealed partial class NativeExecution
{
    private readonly SemaphoreSlim _destroying = new(1);
    private bool _destroyed;

    // The main process has ended: the rest of the execution ends with it, and what the kernel knows is read before it is forgotten.
    private async Task<DriverExit> ConcludeAsync(DriverExit exit, CommandSequence sequence)
    {
        var externally = !_killRequested && exit.Signal?.Number == KillSignal && _launcher.Sandbox?.IsDying == true;
        await _members.KillAsync();
        return await sequence.DescribeAsync(exit, ReadTailAsync) with
        {
            OutOfMemory = _launcher.Cgroup?.RanOutOfMemory() == true,
            KilledExternally = externally || exit.KilledExternally,
        };
    }

    // Outputs are mounted from the results directory: they are there already.
    public ValueTask CollectOutputsAsync(CancellationToken cancellationToken) => ValueTask.CompletedTask;

    public async ValueTask DestroyAsync(CancellationToken cancellationToken)
    {
        await _destroying.WaitAsync(cancellationToken);
        try
        {
            if (_destroyed) return;
            _killRequested = true;
            _pumped.TrySetResult(); // whoever destroys no longer wants the output
            _members.Leader?.Kill();
            EndPause();
            await _members.KillAsync();
            await _run;
            // Only now: until the engine has recorded how it ended, a later process must be able to learn it.
            if (_launcher.Sandbox is not null) await _launcher.Sandbox.DestroyAsync();
            if (_launcher.Cgroup is { } cgroup) await cgroup.RemoveAsync(_launcher.Events, cancellationToken);
            parts.Outside?.Delete();
            _destroyed = true;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new ExecutorException(ErrorCode.BackendFailed, $"The execution could not be removed: {e.Message}.", parts.Context.Request.ExecutionId, e);
        }
        finally
        {
            _destroying.Release();
        }
    }

    // What does not outlive this process is destroyed with it. The semaphores and the token source hold nothing of the system's and are
    // left to the collector: a signal may still be on its way.
    public async ValueTask DisposeAsync()
    {
        if (_launcher.Sandbox is null || !parts.Context.Outlives) await DestroyAsync(CancellationToken.None);
        // A command that is about to be started is started, and is then there for the later process; none comes after it.
        await _changing.WaitAsync();
        _released = true;
        _changing.Release();
        EndPause();
        _members.Leader?.Dispose();
        parts.Stdout.Dispose();
        parts.Stderr.Dispose();
        _launcher.Sandbox?.Dispose();
        _launcher.Cgroup?.Release();
    }
}
