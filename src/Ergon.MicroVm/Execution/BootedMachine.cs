using Ergon.MicroVm.Guest.Channel;
using Ergon.MicroVm.Guest.Protocol;
using Ergon.MicroVm.Vmm;

namespace Ergon.MicroVm.Execution;

/// <summary>A machine whose agent has answered and which has not been told of its job yet.</summary>
internal sealed class BootedMachine
{
    private static readonly TimeSpan EndPatience = TimeSpan.FromSeconds(2);

    private readonly MicroVmParts _parts;
    private ExecutionId? _execution;
    private GuestChannel? _channel;

    private BootedMachine(MicroVmParts parts, IVirtualMachine machine, ExecutionId? execution) =>
        (_parts, Machine, Console, _execution) = (parts, machine, new ConsoleTail(machine.Console), execution);

    public IVirtualMachine Machine { get; }

    public ConsoleTail Console { get; }

    public GuestChannel Channel => _channel!;

    /// <summary>Starts a machine and returns when its agent answers. Nothing is left when it throws.</summary>
    /// <param name="parts">What all executions share.</param>
    /// <param name="plan">The machine.</param>
    /// <param name="execution">The execution that it is for.</param>
    /// <param name="cancellationToken">Gives up.</param>
    public static async Task<BootedMachine> BootAsync(MicroVmParts parts, VmPlan plan, ExecutionId? execution, CancellationToken cancellationToken)
    {
        var booted = new BootedMachine(parts, await LaunchAsync(parts, plan, cancellationToken), execution);
        try
        {
            using var phase = MicroVmTelemetry.BeginPhase("boot");
            booted._channel = await booted.ConnectAsync(cancellationToken);
            MicroVmTelemetry.Describe(phase, booted.Channel.Welcome);
            return booted;
        }
        catch
        {
            await booted.EndAsync();
            throw;
        }
    }

    /// <summary>Makes it that of an execution.</summary>
    public BootedMachine For(ExecutionId execution)
    {
        _execution = execution;
        return this;
    }

    /// <summary>Has the agent set up a job, or rehearse with one.</summary>
    public async Task ConfigureAsync(FrameType type, GuestConfiguration configuration, CancellationToken cancellationToken)
    {
        using var phase = MicroVmTelemetry.BeginPhase("configure");
        try
        {
            var reply = await Channel.RequestAsync(type, configuration.Encode(), _parts.Options.BootTimeout, cancellationToken);
            if (reply.Code == ReplyCode.Invalid) throw new ExecutorException(ErrorCode.InvalidRequest, reply.Message, _execution);
            if (reply.Code != ReplyCode.Done) throw Failed($"The guest could not be set up: {reply.Message}");
        }
        catch (Exception e) when (e is IOException or TimeoutException)
        {
            throw Failed($"The guest could not be set up: {e.Message}", e);
        }
    }

    /// <summary>Ends it.</summary>
    public async ValueTask EndAsync()
    {
        if (_channel is not null) await _channel.DisposeAsync();
        await Machine.EndAsync();
    }

    private static async Task<IVirtualMachine> LaunchAsync(MicroVmParts parts, VmPlan plan, CancellationToken cancellationToken)
    {
        using var phase = MicroVmTelemetry.BeginPhase("vmm");
        return await parts.Vmm.LaunchAsync(plan, cancellationToken);
    }

    private async Task<GuestChannel> ConnectAsync(CancellationToken cancellationToken)
    {
        using var deadline = new CancellationTokenSource(_parts.Options.BootTimeout, _parts.Time);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken, deadline.Token);
        var connecting = GreetAsync(either.Token);
        try
        {
            if (await Task.WhenAny(connecting, Machine.Ended) == connecting) return await connecting;
        }
        catch (OperationCanceledException) when (deadline.IsCancellationRequested && !cancellationToken.IsCancellationRequested)
        {
            throw Failed($"The guest did not answer within {_parts.Options.BootTimeout.TotalSeconds:0} s. {Console.Explain()}");
        }
        catch (Exception e) when (e is IOException or System.Net.Sockets.SocketException)
        {
            // A machine that ends breaks the connection first.
            await Task.WhenAny(Machine.Ended, Task.Delay(EndPatience, _parts.Time, cancellationToken));
            if (!Machine.Ended.IsCompleted) throw Failed($"The agent in the guest could not be reached: {e.Message} {Console.Explain()}", e);
        }

        await either.CancelAsync();
        await ((Task)connecting).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        throw Failed($"The virtual machine ended while it booted. {await Console.ExplainAsync(await Machine.Ended)}");
    }

    private async Task<GuestChannel> GreetAsync(CancellationToken cancellationToken) =>
        await GuestChannel.ConnectAsync(await Machine.ConnectAgentAsync(cancellationToken), 0, 0, _parts.Time, cancellationToken);

    private ExecutorException Failed(string message, Exception? inner = null) => new(ErrorCode.BackendFailed, message.Trim(), _execution, inner);
}
