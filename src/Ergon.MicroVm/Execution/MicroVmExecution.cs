using System.Runtime.CompilerServices;
using Ergon.Drivers;
using Ergon.MicroVm.Guest.Channel;
using Ergon.MicroVm.Guest.Protocol;
using Ergon.MicroVm.Vmm;

namespace Ergon.MicroVm.Execution;

/// <summary>One execution in a guest with our agent.</summary>
internal sealed partial class MicroVmExecution : IDriverExecution
{
    private static readonly TimeSpan SampleInterval = TimeSpan.FromSeconds(1);

    // How long the agent may take to kill the job; after that the machine itself is killed.
    private static readonly TimeSpan KillDeadline = TimeSpan.FromSeconds(10);

    private readonly MicroVmParts _parts;
    private readonly DriverContext _context;
    private readonly MicroVmRecord _record;
    private readonly IVirtualMachine? _machine;
    private readonly HostResources _host;
    private readonly ConsoleTail? _console;
    private readonly TaskCompletionSource<GuestChannel> _channel = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly TaskCompletionSource<DriverExit> _exit = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly SemaphoreSlim _pausing = new(1);
    private TaskCompletionSource? _resumed;
    private volatile bool _killed;

    /// <param name="parts">What all executions share.</param>
    /// <param name="context">The request and its directory.</param>
    /// <param name="record">What was noted of it.</param>
    /// <param name="machine">The machine; <see langword="null"/>: it ended while nobody watched it.</param>
    /// <param name="host">What the machine has of the host.</param>
    /// <param name="console">The reader of its console.</param>
    public MicroVmExecution(
        MicroVmParts parts, DriverContext context, MicroVmRecord record, IVirtualMachine? machine, HostResources host, ConsoleTail? console)
    {
        (_parts, _context, _record, _machine, _host, _console) = (parts, context, record, machine, host, console);
        _ = _channel.Task.ContinueWith(static t => _ = t.Exception, CancellationToken.None, TaskContinuationOptions.OnlyOnFaulted, TaskScheduler.Default);
    }

    public bool Started { get; init; }

    public IReadOnlyList<PortMapping> Ports => _host.Ports;

    /// <summary>The connection to the agent, when there is one already; a re-attached execution connects when the position of its output is known.</summary>
    public GuestChannel? Channel
    {
        init
        {
            if (value is not null) _channel.SetResult(value);
        }
    }

    /// <summary>Whether a former process left the guest paused.</summary>
    public bool FoundPaused
    {
        init => _resumed = value ? NewResumed() : null;
    }

    private ExecutionId Id => _context.Request.ExecutionId;

    public async ValueTask StartAsync(CancellationToken cancellationToken)
    {
        try
        {
            if (_context.Request.Resources.Cpu is { } cpu && _parts.Cgroups.Abilities.Cpu) _host.Cgroup?.LimitCpu(cpu);
            // Before it is so: if this process ends between the two, the next one asks the guest.
            MicroVmRecord.NoteStarted(_context.WorkDirectory);
            var channel = await _channel.Task.WaitAsync(cancellationToken);
            Require(await channel.RequestAsync(FrameType.Start, default, null, cancellationToken), "start the job");
        }
        catch (Exception e) when (e is IOException or TimeoutException)
        {
            throw Failed($"The job could not be started: {e.Message} {_console?.Explain()}", e);
        }
    }

    public async ValueTask SignalAsync(Signal signal, CancellationToken cancellationToken)
    {
        if (_exit.Task.IsCompleted) return;
        await AskAsync(FrameType.Signal, new PayloadWriter().Byte((byte)signal.Number).Payload, "send a signal", cancellationToken);
    }

    public ValueTask StopAsync(CancellationToken cancellationToken) => SignalAsync(new Signal(_record.StopSignal), cancellationToken);

    public async ValueTask KillAsync(CancellationToken cancellationToken)
    {
        if (_exit.Task.IsCompleted || _machine is not { } machine) return;
        _killed = true;
        using var deadline = new CancellationTokenSource(KillDeadline, _parts.Time);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken, deadline.Token);
        try
        {
            if (IsPaused) await ResumeAsync(either.Token);
            var channel = await _channel.Task.WaitAsync(either.Token);
            await channel.RequestAsync(FrameType.Kill, default, KillDeadline, either.Token);
            await _exit.Task.WaitAsync(either.Token);
        }
        catch (Exception e) when (e is IOException or TimeoutException or ExecutorException || (e is OperationCanceledException && !cancellationToken.IsCancellationRequested))
        {
            // The guest does not do it, so it goes with its job. What the job wrote last may be lost with it.
            machine.Kill();
        }
    }

    public async ValueTask PauseAsync(CancellationToken cancellationToken)
    {
        await _pausing.WaitAsync(cancellationToken);
        try
        {
            await Machine.PauseAsync(cancellationToken);
            _resumed ??= NewResumed();
        }
        catch (IOException e)
        {
            throw Failed($"The guest could not be paused: {e.Message}", e);
        }
        finally
        {
            _pausing.Release();
        }
    }

    public async ValueTask ResumeAsync(CancellationToken cancellationToken)
    {
        await _pausing.WaitAsync(cancellationToken);
        try
        {
            await Machine.ResumeAsync(cancellationToken);
            Interlocked.Exchange(ref _resumed, null)?.TrySetResult();
        }
        catch (IOException e)
        {
            throw Failed($"The guest could not be resumed: {e.Message}", e);
        }
        finally
        {
            _pausing.Release();
        }
    }

    public async ValueTask<IExecSession> ExecAsync(ExecRequest request, CancellationToken cancellationToken)
    {
        try
        {
            return await GuestExecSession.StartAsync(await _channel.Task.WaitAsync(cancellationToken), request, cancellationToken);
        }
        catch (Exception e) when (e is IOException or TimeoutException)
        {
            throw Failed($"The command could not be started inside: {e.Message}", e);
        }
    }

    public async IAsyncEnumerable<ExecutionStats> GetStatsAsync([EnumeratorCancellation] CancellationToken cancellationToken)
    {
        ExecutionStats? last = null;
        while (!_exit.Task.IsCompleted)
        {
            last = await SampleAsync(last, cancellationToken);
            if (last is null) yield break;
            yield return last;
            await Task.WhenAny(_exit.Task, Task.Delay(SampleInterval, _parts.Time, cancellationToken));
            cancellationToken.ThrowIfCancellationRequested();
        }
    }

    // A paused guest cannot answer, and uses nothing either.
    private async Task<ExecutionStats?> SampleAsync(ExecutionStats? last, CancellationToken cancellationToken)
    {
        if (IsPaused && last is not null) return last with { Timestamp = _parts.Time.GetUtcNow() };
        try
        {
            var channel = await _channel.Task.WaitAsync(cancellationToken);
            var reply = await channel.RequestAsync(FrameType.Stats, default, null, cancellationToken);
            Require(reply, "tell its resource use");
            var stats = GuestStats.Decode(reply.Body.Span);
            return new ExecutionStats
            {
                Timestamp = _parts.Time.GetUtcNow(),
                CpuTime = TimeSpan.FromTicks(Math.Max(0, stats.CpuNanoseconds) / TimeSpan.NanosecondsPerTick),
                MemoryBytes = stats.MemoryBytes,
                MemoryLimitBytes = _context.Request.Resources.Memory ?? _parts.Options.DefaultMemory,
                Pids = stats.Pids,
                NetworkReceivedBytes = stats.NetworkReceivedBytes,
                NetworkSentBytes = stats.NetworkSentBytes,
                DiskReadBytes = stats.DiskReadBytes,
                DiskWrittenBytes = stats.DiskWrittenBytes,
            };
        }
        catch (Exception e) when (e is IOException or TimeoutException)
        {
            return _exit.Task.IsCompleted || !IsPaused ? null : last;
        }
    }

    public async ValueTask DestroyAsync(CancellationToken cancellationToken)
    {
        _killed = true;
        await _host.DestroyAsync(_machine, cancellationToken);
    }

    public async ValueTask DisposeAsync()
    {
        _channel.TrySetException(new IOException("The execution was let go of."));
        if (_channel.Task.IsCompletedSuccessfully) await (await _channel.Task).DisposeAsync();
        if (_machine is not null) await _machine.DisposeAsync();
        _host.Release();
    }

    private bool IsPaused => Volatile.Read(ref _resumed) is not null;

    private IVirtualMachine Machine => _machine ?? throw Failed("The virtual machine has ended.");

    private static TaskCompletionSource NewResumed() => new(TaskCreationOptions.RunContinuationsAsynchronously);

    private async Task AskAsync(FrameType type, ReadOnlyMemory<byte> payload, string what, CancellationToken cancellationToken)
    {
        try
        {
            var channel = await _channel.Task.WaitAsync(cancellationToken);
            Require(await channel.RequestAsync(type, payload, null, cancellationToken), what);
        }
        catch (Exception e) when (e is IOException or TimeoutException)
        {
            if (_exit.Task.IsCompleted || Machine.Ended.IsCompleted) return;
            throw Failed($"The guest did not {what}: {e.Message}", e);
        }
    }

    private void Require(ReplyMessage reply, string what)
    {
        if (reply.Code == ReplyCode.Invalid) throw new ExecutorException(ErrorCode.InvalidRequest, reply.Message, Id);
        if (reply.Code != ReplyCode.Done) throw Failed($"The guest could not {what}: {reply.Message}");
    }

    private ExecutorException Failed(string message, Exception? inner = null) => new(ErrorCode.BackendFailed, message.Trim(), Id, inner);
}
