using System.Runtime.CompilerServices;
using System.Runtime.Versioning;
using System.Text;
using Ergon.Drivers;
using Ergon.Linux;
using Ergon.Process.Native;
using Ergon.Runc.Containers;

namespace Ergon.Runc.Execution;

/// <summary>One execution in a container.</summary>
[SupportedOSPlatform("linux")]
internal sealed partial class RuncExecution(ContainerParts parts) : IDriverExecution
{
    private const int KillSignal = 9;
    private const int StopSignal = 19;
    private static readonly TimeSpan SampleInterval = TimeSpan.FromSeconds(1);

    private readonly TaskCompletionSource<DriverExit> _exit = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly CancellationTokenSource _ended = new();
    private readonly TaskCompletionSource _pumped = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly OutputTail _dropped = new();
    private IOutputSink? _log;
    private ChildProcess? _first;
    private Task _run = Task.CompletedTask;
    private volatile bool _killRequested;

    private KernelEvents Events => parts.Shared.Events;

    private ExecutionId Id => parts.Context.Request.ExecutionId;

    public bool Started { get; private set; }

    public IReadOnlyList<PortMapping> Ports => parts.Ports;

    public async ValueTask StartAsync(CancellationToken cancellationToken)
    {
        await parts.Shared.Starts.WaitAsync(cancellationToken);
        try
        {
            Watch(await LaunchAsync(cancellationToken));
        }
        catch (Exception e)
        {
            // Whatever has been started: the job must not exist.
            await parts.Home.DestroyAsync();
            if (e is not (IOException or UnauthorizedAccessException)) throw;
            throw new ExecutorException(ErrorCode.BackendFailed, $"The container could not be started: {e.Message}.", Id, e);
        }
        finally
        {
            parts.Shared.Starts.Release();
        }
    }

    private async Task<ChildProcess> LaunchAsync(CancellationToken cancellationToken)
    {
        using var nullDevice = Descriptors.Open("/dev/null", Libc.ReadWrite);
        using var ready = new ReadyPipe(Events);
        var given = ContainerInit.Given(ready.WriteDescriptor, parts.Filter);
        using var runtime = await parts.Home.StartKeptAsync(
            parts.Runtime.Path, parts.Runtime.Run(given.Count), [Descriptors.Number(nullDevice), parts.Stdout.WriteDescriptor, parts.Stderr.WriteDescriptor, .. given]);
        ready.CloseWriter();
        parts.Stdout.CloseWriter();
        parts.Stderr.CloseWriter();
        await parts.Shared.WaitForStepAsync(runtime.Exit, $"{parts.Runtime.Name} did not end", cancellationToken);
        var exit = await runtime.Exit;
        if (exit.ExitCode != 0) throw RuntimeFailure.Describe(RuncCommand.ReadErrors(parts.Home.PathOf(parts.Paths.Log)), exit, parts.Plan);
        var first = parts.Home.FindFirstProcess() ?? throw new LinuxException("find the first process of a container", Errno.NoSuchProcess);
        try
        {
            // One that has ended has closed it as well; but its end is told whoever else may hold the pipe.
            await parts.Shared.WaitForStepAsync(Task.WhenAny(ready.Closed, first.Exit), "the command was not executed", cancellationToken);
            return first;
        }
        catch
        {
            first.Dispose();
            throw;
        }
    }

    /// <summary>Goes on with the container that a former process started.</summary>
    public void Resume(ChildProcess first)
    {
        parts.Stdout.CloseWriter();
        parts.Stderr.CloseWriter();
        Watch(first);
    }

    private void Watch(ChildProcess first)
    {
        _first = first;
        Started = true;
        _run = RunAsync(first);
    }

    private async Task RunAsync(ChildProcess first)
    {
        try
        {
            // The kernel has killed everything else in the container by then.
            _exit.TrySetResult(await ConcludeAsync(await first.Exit, InitState.Read(first.Id)));
        }
        catch (Exception e)
        {
            // An edge: whoever waits must be told, whatever it is.
            _exit.TrySetException(e);
        }
        finally
        {
            await _ended.CancelAsync();
        }
    }

    public async Task PumpOutputAsync(IOutputSink output, CancellationToken cancellationToken)
    {
        _log = output;
        try
        {
            await Task.WhenAll(
                parts.Stdout.MoveAsync(move => output.Append(OutputStream.Stdout, move.Invoke), _dropped.Append, Events, cancellationToken),
                parts.Stderr.MoveAsync(move => output.Append(OutputStream.Stderr, move.Invoke), _dropped.Append, Events, cancellationToken));
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

    public ValueTask SignalAsync(Signal signal, CancellationToken cancellationToken)
    {
        if (_first is not { } first || _exit.Task.IsCompleted) return ValueTask.CompletedTask;
        if (signal.Number == KillSignal) _killRequested = true;
        // No process can pass this one on.
        if (signal.Number == StopSignal && FindJob(first) is { } job) OtherProcess.Signal(job, signal.Number);
        else first.Signal(signal.Number);
        return ValueTask.CompletedTask;
    }

    public ValueTask StopAsync(CancellationToken cancellationToken) => SignalAsync(parts.Plan.StopSignal, cancellationToken);

    public ValueTask KillAsync(CancellationToken cancellationToken)
    {
        if (_exit.Task.IsCompleted) return ValueTask.CompletedTask;
        _killRequested = true;
        parts.Cgroup?.Thaw();
        _first?.Kill();
        return ValueTask.CompletedTask;
    }

    public async ValueTask PauseAsync(CancellationToken cancellationToken)
    {
        if (parts.Cgroup is not { } cgroup || !await cgroup.FreezeAsync(Events, cancellationToken))
            throw new ExecutorException(ErrorCode.NotSupported, "Pausing needs the freezer of cgroups v2, which this host does not have.", Id);
    }

    public ValueTask ResumeAsync(CancellationToken cancellationToken)
    {
        parts.Cgroup?.Thaw();
        return ValueTask.CompletedTask;
    }

    public async ValueTask<IExecSession> ExecAsync(ExecRequest request, CancellationToken cancellationToken)
    {
        if (_first is not { } first) throw new ExecutorException(ErrorCode.InvalidState, "The container has not been started.", Id);
        try
        {
            return await RuncExecSession.StartAsync(parts, first.Id, request, cancellationToken);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new ExecutorException(ErrorCode.BackendFailed, $"The command could not be started inside: {e.Message}.", Id, e);
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
                await Task.Delay(SampleInterval, parts.Shared.Time, either.Token);
            }
            catch (OperationCanceledException) when (_ended.IsCancellationRequested)
            {
                yield break;
            }
        }
    }

    private ExecutionStats Sample()
    {
        var usage = parts.Cgroup?.ReadUsage() ?? new CgroupUsage();
        var ownNetwork = parts.Plan.Network != NetworkMode.Host;
        var network = ownNetwork && CgroupText.Read($"/proc/{_first?.Id}/net/dev") is { } text ? NetworkCounters.Parse(text) : ((long Received, long Sent)?)null;
        return new ExecutionStats
        {
            Timestamp = parts.Shared.Time.GetUtcNow(),
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

    // The job has another number here than inside.
    private static int? FindJob(ChildProcess first) => InitState.Read(first.Id) is { Stage: InitStage.Running, Number: var inside }
        ? ProcessTable.ChildrenOf(first.Id).Cast<int?>().FirstOrDefault(id => ProcessTable.InnermostIdOf(id!.Value) == inside)
        : null;
}
