using System.Runtime.CompilerServices;
using System.Runtime.Versioning;
using Ergon.Drivers;
using Ergon.Linux;

namespace Ergon.Process.Native;

/// <summary>What an execution on Linux consists of.</summary>
[SupportedOSPlatform("linux")]
internal sealed record NativeParts
{
    public required DriverContext Context { get; init; }

    public required ProcessSpec Spec { get; init; }

    public required JobLauncher Launcher { get; init; }

    public required JobCommand Command { get; init; }

    /// <summary>The scripts to run before the command, as paths that the job can read.</summary>
    public required IReadOnlyList<(string Name, JobCommand Command)> Scripts { get; init; }

    public required TimeProvider Time { get; init; }

    /// <summary>A variable in the environment of every process of the execution, where no namespace holds them together.</summary>
    public required string Mark { get; init; }

    /// <summary>What the job has instead of a private /tmp where there is no sandbox.</summary>
    public OutsideDirectory? Outside { get; init; }
}

/// <summary>One execution on Linux, in a sandbox or, where none can be had, in a session of its own.</summary>
[SupportedOSPlatform("linux")]
internal sealed class NativeExecution(NativeParts parts) : IDriverExecution
{
    private const int KillSignal = 9;
    private const int StopSignal = 19;
    private const int ContinueSignal = 18;
    private static readonly TimeSpan SampleInterval = TimeSpan.FromSeconds(1);

    private readonly JobLauncher _launcher = parts.Launcher;
    private readonly TaskCompletionSource<DriverExit> _exit = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly CancellationTokenSource _ended = new();
    private readonly SemaphoreSlim _destroying = new(1);
    private readonly TaskCompletionSource _pumped = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly OutputTail? _tail = parts.Scripts.Count > 0 ? new OutputTail() : null;
    private OutputPipe? _stdout;
    private OutputPipe? _stderr;
    private volatile ChildProcess? _current;
    private volatile bool _killRequested;
    private bool _stoppedBySignal;
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
            _current = first.Process;
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
            var exit = await sequence.RunAsync(first, process => _current = process);
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

    // The main process has ended: the rest of the execution ends with it, and what the kernel knows is read before it is forgotten.
    private async Task<DriverExit> ConcludeAsync(DriverExit exit, CommandSequence sequence)
    {
        var externally = !_killRequested && exit.Signal?.Number == KillSignal && _launcher.Sandbox?.IsDying == true;
        await KillEverythingAsync();
        return await sequence.DescribeAsync(exit, ReadTailAsync) with
        {
            OutOfMemory = _launcher.Cgroup?.RanOutOfMemory() == true,
            KilledExternally = externally,
        };
    }

    private async Task KillEverythingAsync()
    {
        if (_launcher.Sandbox is { } sandbox)
        {
            sandbox.Kill();
            await sandbox.Ended;
        }
        else if (_current is { } leader)
        {
            while (ProcessTable.TreeOf(leader.Id, parts.Mark).Where(p => p.State is not ('Z' or 'X')).ToArray() is { Length: > 0 } tree)
                foreach (var process in tree) await OtherProcess.KillAsync(process.Id, _launcher.Events, CancellationToken.None);
        }

        if (_launcher.Cgroup is { } cgroup) await cgroup.KillAsync(_launcher.Events, CancellationToken.None);
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

    public ValueTask SignalAsync(Signal signal, CancellationToken cancellationToken)
    {
        _current?.Signal(signal.Number);
        return ValueTask.CompletedTask;
    }

    public ValueTask StopAsync(CancellationToken cancellationToken) => SignalAsync(parts.Spec.StopSignal, cancellationToken);

    public async ValueTask KillAsync(CancellationToken cancellationToken)
    {
        if (_exit.Task.IsCompleted) return;
        _killRequested = true;
        _launcher.Sandbox?.Kill();
        // The job by itself as well: a sandbox that is only now being entered, or none.
        _current?.Kill();
        if (_launcher.Cgroup is { } cgroup) await cgroup.KillAsync(_launcher.Events, cancellationToken);
    }

    public async ValueTask PauseAsync(CancellationToken cancellationToken)
    {
        if (_launcher.Cgroup is { } cgroup && await cgroup.FreezeAsync(_launcher.Events, cancellationToken)) return;
        _stoppedBySignal = true;
        // Again and again: a process may have forked before it was stopped.
        HashSet<int> stopped = [];
        while (MemberIds().Where(id => !stopped.Contains(id)).ToArray() is { Length: > 0 } members)
        {
            foreach (var id in members)
            {
                OtherProcess.Signal(id, StopSignal);
                stopped.Add(id);
            }
        }
    }

    public ValueTask ResumeAsync(CancellationToken cancellationToken)
    {
        if (!_stoppedBySignal)
        {
            _launcher.Cgroup?.Thaw();
            return ValueTask.CompletedTask;
        }

        foreach (var id in MemberIds()) OtherProcess.Signal(id, ContinueSignal);
        _stoppedBySignal = false;
        return ValueTask.CompletedTask;
    }

    // Everything that belongs to the job; not the init process, which must notice when this process ends.
    private IReadOnlyList<int> MemberIds()
    {
        if (_launcher.Cgroup is { } cgroup) return cgroup.ProcessIds();
        if (_launcher.Sandbox is { } sandbox)
            return [.. ProcessTable.InNamespaceOf(sandbox.InitId).Where(id => ProcessTable.Find(id) is { } p && p.SessionId != sandbox.InitId)];
        return _current is { } leader ? [.. ProcessTable.TreeOf(leader.Id, parts.Mark).Select(p => p.Id)] : [];
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
        if (_launcher.Cgroup is not { } cgroup) yield break;
        while (!_exit.Task.IsCompleted)
        {
            yield return Sample(cgroup.ReadUsage());
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

    private ExecutionStats Sample(CgroupUsage usage)
    {
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
            _current?.Kill();
            if (_launcher.Sandbox is not null) await _launcher.Sandbox.DisposeAsync();
            else await KillEverythingAsync();
            await _run;
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

    // Nothing of a local process outlives the process that watches it, so letting go is destroying.
    public async ValueTask DisposeAsync()
    {
        await DestroyAsync(CancellationToken.None);
        _stdout?.Dispose();
        _stderr?.Dispose();
        _ended.Dispose();
        _destroying.Dispose();
    }
}
