using Ergon.Drivers;
using Ergon.Linux;
using Ergon.Runc.Bundles;
using Ergon.Runc.Containers;

namespace Ergon.Runc.Execution;

/// <summary>How an execution ends, is removed, or is left to a later process.</summary>
internal sealed partial class RuncExecution
{
    private const int SignalBits = 0x7f;
    private const int CodeShift = 8;

    private readonly SemaphoreSlim _destroying = new(1);
    private bool _destroyed;

    private async Task<DriverExit> ConcludeAsync(ChildExit exit, InitState state)
    {
        var outOfMemory = parts.Cgroup?.RanOutOfMemory() == true;
        var result = state switch
        {
            { Stage: InitStage.Ended, Number: var status } when parts.Plan.HasInit =>
                (status & SignalBits) == 0 ? new DriverExit { ExitCode = status >> CodeShift } : new DriverExit { Signal = new Signal(status & SignalBits) },
            { Stage: InitStage.Refused, Number: var errno } => Refused(state.Index, errno),
            _ when parts.Plan.HasInit && exit.ExitCode == ContainerInit.NotShutIn => new DriverExit { Lost = true, Message = "The kernel did not take the seccomp filter." },
            _ => OfFirstProcess(exit) with { KilledExternally = !_killRequested && !outOfMemory && exit.Signal is KillSignal or null && exit.ExitCode is null },
        };
        return await DescribeAsync(result, state) with { OutOfMemory = outOfMemory };
    }

    // Who kills the keeper takes all that it knew with it.
    private static DriverExit OfFirstProcess(ChildExit exit) => exit.IsUnknown
        ? new DriverExit { Signal = Signal.Kill }
        : new DriverExit { ExitCode = exit.ExitCode, Signal = exit.Signal is { } number ? new Signal(number) : null };

    private DriverExit Refused(int index, int errno)
    {
        var name = index < parts.Plan.Scripts.Count ? parts.Plan.Scripts[index].Name : parts.Plan.Command[0];
        if (errno is not (Errno.NoEntry or Errno.NotADirectory))
            return new DriverExit { ExitCode = 126, Message = $"The command '{name}' cannot be executed: {Errno.Describe(errno)}." };
        var where = name.Contains('/') ? " in the image" : $" in {parts.Environment.GetValueOrDefault("PATH")}";
        return new DriverExit { ExitCode = 127, Message = $"The command '{name}' was not found{where}." };
    }

    // Says which script failed, how, and what was written last.
    private async Task<DriverExit> DescribeAsync(DriverExit exit, InitState state)
    {
        if (state.Stage is not (InitStage.Ended or InitStage.Refused) || state.Index >= parts.Plan.Scripts.Count) return exit;
        var how = exit switch
        {
            { Signal: { } signal } => $"was ended by {signal}",
            { Message: { } message } => $"could not be run: {message}",
            _ => $"failed with exit code {exit.ExitCode}",
        };
        var output = await ReadTailAsync() is { Length: > 0 } text ? $" Its output ended with:\n{text}" : "";
        return exit with { Message = $"The provision script '{parts.Plan.Scripts[state.Index].Name}' {how}.{output}" };
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
            parts.Cgroup?.Thaw();
            _first?.Kill();
            await _run;
            // Only now: until the engine has recorded how it ended, a later process must be able to learn it.
            await Task.WhenAll(parts.Home.DestroyAsync(), parts.Cgroup?.RemoveAsync(Events, cancellationToken) ?? Task.CompletedTask);
            if (parts.Plan.Network == NetworkMode.Bridge) await parts.Shared.Networks.RemoveAsync(parts.Context.ExecutorId, Id, cancellationToken);
            BundleWriter.RemoveDirectories(parts.Paths);
            _destroyed = true;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new ExecutorException(ErrorCode.BackendFailed, $"The container could not be removed: {e.Message}.", Id, e);
        }
        finally
        {
            _destroying.Release();
        }
    }

    // What does not outlive this process is destroyed with it. The semaphore and the token source hold nothing of the system's and are left
    // to the collector.
    public async ValueTask DisposeAsync()
    {
        if (!parts.Context.Outlives) await DestroyAsync(CancellationToken.None);
        _first?.Dispose();
        parts.Stdout.Dispose();
        parts.Stderr.Dispose();
        parts.Home.Dispose();
        parts.Cgroup?.Release();
    }
}
