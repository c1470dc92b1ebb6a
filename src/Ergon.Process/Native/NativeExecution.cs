using System.Runtime.CompilerServices;
using System.Runtime.Versioning;
using System.Text;
using Ergon.Drivers;
using Ergon.Linux;

namespace Ergon.Process.Native;

/// <summary>One execution on Linux, in a sandbox or, where none can be had, in a session of its own.</summary>
[SupportedOSPlatform("linux")]
internal sealed partial class NativeExecution(NativeParts parts) : IDriverExecution
{
    private const int KillSignal = 9;
    private static readonly TimeSpan SampleInterval = TimeSpan.FromSeconds(1);

    private readonly JobLauncher _launcher = parts.Launcher;
    private readonly JobMembers _members = new(parts.Launcher, parts.Mark);
    private readonly TaskCompletionSource<DriverExit> _exit = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly CancellationTokenSource _ended = new();

    // Held while the main process changes from a script to the next, and by whoever must find the right one.
    private readonly SemaphoreSlim _changing = new(1);
    private readonly TaskCompletionSource _pumped = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly OutputTail _dropped = new();
    private IOutputSink? _log;
    private TaskCompletionSource? _resumed;
    private volatile bool _killRequested;
    private volatile bool _released;
    private Task _run = Task.CompletedTask;

    public bool Started { get; private set; }

    public IReadOnlyList<PortMapping> Ports { get; } =
        [.. parts.Context.Request.Network.Ports.Select(p => p with { HostPort = p.ExecutorPort })];

    public async ValueTask StartAsync(CancellationToken cancellationToken)
    {
        cancellationToken.ThrowIfCancellationRequested();
        try
        {
            var sequence = new CommandSequence(parts);
            var first = await sequence.StartFirstAsync();
            Watch(sequence, first, 0);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new ExecutorException(ErrorCode.BackendFailed, $"The job could not be started: {e.Message}.", parts.Context.Request.ExecutionId, e);
        }
    }

    /// <summary>Goes on with what a former process started.</summary>
    /// <param name="commands">The commands that ran or run: all but the last have ended well.</param>
    /// <param name="refused">The one after them, if it could not be run.</param>
    public void Resume(IReadOnlyList<ChildProcess> commands, LaunchedCommand? refused)
    {
        foreach (var ended in refused is null ? commands.SkipLast(1) : commands) ended.Dispose();
        var index = refused is null ? commands.Count - 1 : commands.Count;
        var sequence = new CommandSequence(parts);
        if (index == parts.Scripts.Count) sequence.CloseWriters();
        if (_members.FindStopped()) _resumed = new(TaskCreationOptions.RunContinuationsAsynchronously);
        Watch(sequence, refused ?? new LaunchedCommand(commands[^1], 0, null), index);
    }

    private void Watch(CommandSequence sequence, LaunchedCommand command, int index)
    {
        _members.Leader = command.Process;
        Started = true;
        _run = RunAsync(sequence, command, index);
    }

    private async Task RunAsync(CommandSequence sequence, LaunchedCommand command, int index)
    {
        try
        {
            var exit = await RunToEndAsync(sequence, command, index);
            _exit.TrySetResult(await ConcludeAsync(exit, sequence));
        }
        catch (Exception e)
        {
            // An edge: whoever waits must be told, whatever it is.
            _exit.TrySetException(e);
        }
        finally
        {
            sequence.CloseWriters();
            await _ended.CancelAsync();
        }
    }

    private async Task<DriverExit> RunToEndAsync(CommandSequence sequence, LaunchedCommand command, int index)
    {
        try
        {
            var exit = await sequence.RunAsync(command, index, ChangeAsync);
            // Who kills the keeper takes all that it knew with it.
            return exit.Lost && _launcher.Sandbox?.IsDying == true ? new DriverExit { Signal = Signal.Kill, KilledExternally = !_killRequested } : exit;
        }
        catch (Exception e) when (e is IOException or OperationCanceledException && (_killRequested || _launcher.Sandbox?.IsDying == true))
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
                if (_released) throw new OperationCanceledException("The job is left to a later process.");
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

    public async Task PumpOutputAsync(IOutputSink output, CancellationToken cancellationToken)
    {
        _log = output;
        try
        {
            await Task.WhenAll(
                parts.Stdout.MoveAsync(move => output.Append(OutputStream.Stdout, move.Invoke), _dropped.Append, _launcher.Events, cancellationToken),
                parts.Stderr.MoveAsync(move => output.Append(OutputStream.Stderr, move.Invoke), _dropped.Append, _launcher.Events, cancellationToken));
        }
        finally
        {
            _pumped.TrySetResult();
        }
    }

    private async Task<string> ReadTailAsync()
    {
        await _pumped.Task;
        return _dropped.ToString() is { Length: > 0 } dropped ? dropped : Encoding.UTF8.GetString(_log?.ReadEnd(OutputTail.KeptBytes) ?? []).Trim();
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
}
