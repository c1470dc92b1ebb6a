using System.Runtime.CompilerServices;
using System.Runtime.Versioning;
using Ergon.Drivers;
using Ergon.Linux;

namespace Ergon.Process.Native;

/// <summary>One execution on Linux, in a sandbox or, where none can be had, in a session of its own.</summary>
[SupportedOSPlatform("linux")]
internal sealed class NativeExecution(NativeParts parts) : IDriverExecution
{
    private const int KillSignal = 9;
    private static readonly TimeSpan SampleInterval = TimeSpan.FromSeconds(1);

    private readonly JobLauncher _launcher = parts.Launcher;
    private readonly JobMembers _members = new(parts.Launcher, parts.Mark);
    private readonly TaskCompletionSource<DriverExit> _exit = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly CancellationTokenSource _ended = new();
    private readonly SemaphoreSlim _destroying = new(1);

    // Held while the main process changes from a script to the next, and by whoever must find the right one.
    private readonly SemaphoreSlim _changing = new(1);
    private readonly TaskCompletionSource _pumped = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly OutputTail? _tail = parts.Scripts.Count > 0 ? new OutputTail() : null;
    private OutputPipe? _stdout;
    private OutputPipe? _stderr;
    private TaskCompletionSource? _resumed;
    private volatile bool _killRequested;
    private bool _destroyed;
    private Task _run = Task.CompletedTask;

    public bool Started { get; private set; }

    public IReadOnlyList<PortMapping> Ports { get; } =
        [.. parts.Context.Request.Network.Ports.Select(p => p with { HostPort = p.ExecutorPort })];

    public async ValueTask StartAsync(CancellationToken cancellationToken)
    {
        cancellationToken.ThrowIfCancellationRequested();
        try
        {
            (_stdout, _stderr) = (new OutputPipe(), new OutputPipe());
            var sequence = new CommandSequence(parts, _stdout, _stderr);
            var first = await sequence.StartFirstAsync();
            _members.Leader = first.Process;
            Started = true;
            _run = RunAsync(sequence, first);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new ExecutorException(ErrorCode.BackendFailed, $"The job could not be started: {e.Message}.", parts.Context.Request.ExecutionId, e);
        }
    }

    private async Task RunAsync(CommandSequence sequence, LaunchedCommand first)
    {
        try
        {
            var exit = await RunToEndAsync(sequence, first);
            _exit.TrySetResult(await ConcludeAsync(exit, sequence));
        }
        catch (Exception e)
        {
            // An edge: whoever waits must be told, whatever it is.
            _exit.TrySetException(e);
        }
        finally
        {
            _stdout!.CloseWriter();
            _stderr!.CloseWriter();
            await _ended.CancelAsync();
        }
    }

    private async Task<DriverExit> RunToEndAsync(CommandSequence sequence, LaunchedCommand first)
    {
        try
        {
            return await sequence.RunAsync(first, ChangeAsync);
        }
        catch (Exception e) when (e is IOException or OperationCanceledException && (_killRequested || _launcher.Sandbox?.Ended.IsCompleted == true))
        {
            // It was killed between two of its commands: there was nothing left to start the next one in.
            return new DriverExit { Signal = Signal.Kill, KilledExternally = !_killRequested };
        }
    }

    // Starts the next command; whoever signals meanwhile waits for it, and nothing starts in a job that is paused.
    private async Task<LaunchedCommand> ChangeAsync(Func<Task<LaunchedCommand>> start)
    {
        while (true)
        {
            await _changing.WaitAsync();
            try
            {
                if (_killRequested) throw new OperationCanceledException("The job was killed before its next command.");
                if (_resumed is null)
                {
                    var next = await start();
                    _members.Leader = next.Process;
                    return next;
                }
            }
            finally
            {
                _changing.Release();
            }

            if (_resumed is { } resumed) await resumed.Task;
        }
    }

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

    public async Task PumpOutputAsync(IOutputSink output, CancellationToken cancellationToken)
    {
        try
        {
            await Task.WhenAll(
                _stdout!.CopyToAsync(output, OutputStream.Stdout, _tail, cancellationToken),
                _stderr!.CopyToAsync(output, OutputStream.Stderr, _tail, cancellationToken));
        }
        finally
        {
            _pumped.TrySetResult();
        }
    }

    private async Task<string> ReadTailAsync()
    {
        await _pumped.Task;
        return _tail?.ToString() ?? "";
    }

    public Task<DriverExit> WaitAsync(CancellationToken cancellationToken) => _exit.Task.WaitAsync(cancellationToken);

    public ValueTask SignalAsync(Signal signal, CancellationToken cancellationToken) =>
        WithLeaderAsync(leader => leader.Signal(signal.Number), cancellationToken);

    public ValueTask StopAsync(CancellationToken cancellationToken) => SignalAsync(parts.Spec.StopSignal, cancellationToken);

    public async ValueTask KillAsync(CancellationToken cancellationToken)
    {
        if (_exit.Task.IsCompleted) return;
        _killRequested = true;
        _launcher.Sandbox?.Kill();
        // The main process by itself as well: it may be about to enter the sandbox, or there is none.
        await WithLeaderAsync(leader => leader.Kill(), cancellationToken);
        if (_launcher.Cgroup is { } cgroup) await cgroup.KillAsync(_launcher.Events, cancellationToken);
        EndPause();
    }

    public async ValueTask PauseAsync(CancellationToken cancellationToken)
    {
        await _changing.WaitAsync(cancellationToken);
        try
        {
            await _members.FreezeAsync(cancellationToken);
            _resumed = new(TaskCreationOptions.RunContinuationsAsynchronously);
        }
        finally
        {
            _changing.Release();
        }
    }

    public ValueTask ResumeAsync(CancellationToken cancellationToken)
    {
        _members.Thaw();
        EndPause();
        return ValueTask.CompletedTask;
    }

    private void EndPause() => Interlocked.Exchange(ref _resumed, null)?.TrySetResult();

    private async ValueTask WithLeaderAsync(Action<ChildProcess> act, CancellationToken cancellationToken)
    {
        await _changing.WaitAsync(cancellationToken);
        try
        {
            if (_members.Leader is { } leader) act(leader);
        }
        finally
        {
            _changing.Release();
        }
    }

    public async ValueTask<IExecSession> ExecAsync(ExecRequest request, CancellationToken cancellationToken)
    {
        try
        {
            return await NativeExecSession.StartAsync(_launcher, parts.Command, request);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new ExecutorException(ErrorCode.BackendFailed, $"The command could not be started inside: {e.Message}.", parts.Context.Request.ExecutionId, e);
        }
    }

    public async IAsyncEnumerable<ExecutionStats> GetStatsAsync([EnumeratorCancellation] CancellationToken cancellationToken)
    {
        while (!_exit.Task.IsCompleted)
        {
            yield return Sample();
            try
            {
                using var either = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken, _ended.Token);
                await Task.Delay(SampleInterval, parts.Time, either.Token);
            }
            catch (OperationCanceledException) when (_ended.IsCancellationRequested)
            {
                yield break;
            }
        }
    }

    private ExecutionStats Sample()
    {
        var usage = _members.ReadUsage();
        var network = _launcher.Sandbox is { Spec.OwnNetwork: true } sandbox && CgroupText.Read($"/proc/{sandbox.InitId}/net/dev") is { } text
            ? NetworkCounters.Parse(text)
            : ((long Received, long Sent)?)null;
        return new ExecutionStats
        {
            Timestamp = parts.Time.GetUtcNow(),
            CpuTime = usage.CpuTime ?? TimeSpan.Zero,
            MemoryBytes = usage.MemoryBytes,
            MemoryLimitBytes = parts.Context.Request.Resources.Memory,
            Pids = usage.Pids,
            NetworkReceivedBytes = network?.Received,
            NetworkSentBytes = network?.Sent,
            DiskReadBytes = usage.DiskReadBytes,
            DiskWrittenBytes = usage.DiskWrittenBytes,
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
            if (_launcher.Sandbox is not null) await _launcher.Sandbox.DisposeAsync();
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

    // Nothing of a local process outlives the process that watches it, so letting go is destroying. The semaphores and the token source
    // hold nothing of the system's and are left to the collector: a signal may still be on its way.
    public async ValueTask DisposeAsync()
    {
        await DestroyAsync(CancellationToken.None);
        _stdout?.Dispose();
        _stderr?.Dispose();
    }
}
