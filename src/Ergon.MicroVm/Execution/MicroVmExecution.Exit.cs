using Ergon.Drivers;
using Ergon.MicroVm.Guest.Channel;
using Ergon.MicroVm.Guest.Protocol;

namespace Ergon.MicroVm.Execution;

internal sealed partial class MicroVmExecution
{
    // How long a machine whose agent is gone may take to end by itself: a guest that panics resets within this.
    private static readonly TimeSpan EndPatience = TimeSpan.FromSeconds(5);

    public async Task PumpOutputAsync(IOutputSink output, CancellationToken cancellationToken)
    {
        if (!_channel.Task.IsCompleted) await ReconnectAsync(output, cancellationToken);
        if (!_channel.Task.IsCompletedSuccessfully) return; // the end of the execution says why
        var channel = await _channel.Task;
        await Task.WhenAll(CopyAsync(channel.Job.Stdout), CopyAsync(channel.Job.Stderr));

        async Task CopyAsync(GuestStream stream)
        {
            try
            {
                await stream.CopyToAsync((bytes, token) => output.WriteAsync(stream.Kind, bytes, token), cancellationToken);
            }
            catch (IOException) when (channel.Closed.IsCompleted)
            {
                // The guest is gone, and what it had not sent with it; the end of the execution says so.
            }
        }
    }

    // A former process has read the output so far; the guest keeps what was not acknowledged to it.
    private async Task ReconnectAsync(IOutputSink output, CancellationToken cancellationToken)
    {
        if (_machine is not { } machine)
        {
            _channel.TrySetException(new IOException("The virtual machine ended while nobody watched it."));
            return;
        }

        // A paused guest answers nobody, for as long as it is paused.
        if (Volatile.Read(ref _resumed) is { } resumed) await Task.WhenAny(resumed.Task, machine.Ended).WaitAsync(cancellationToken);
        using var deadline = new CancellationTokenSource(_parts.Options.BootTimeout, _parts.Time);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken, deadline.Token);
        try
        {
            var channel = await GuestChannel.ConnectAsync(
                await machine.ConnectAgentAsync(either.Token), output.GetPosition(OutputStream.Stdout), output.GetPosition(OutputStream.Stderr), _parts.Time, either.Token);
            if (channel.Welcome.State == GuestState.Configured)
                Require(await channel.RequestAsync(FrameType.Start, default, null, cancellationToken), "start the job");
            if (!_channel.TrySetResult(channel)) await channel.DisposeAsync();
        }
        catch (Exception e) when (e is IOException or TimeoutException or ExecutorException or System.Net.Sockets.SocketException || (e is OperationCanceledException && deadline.IsCancellationRequested))
        {
            _channel.TrySetException(new IOException($"The agent in the guest could not be reached again: {e.Message}", e));
        }
    }

    public async Task<DriverExit> WaitAsync(CancellationToken cancellationToken)
    {
        DriverExit exit;
        try
        {
            var channel = await _channel.Task.WaitAsync(cancellationToken);
            exit = ExitOf(await channel.Job.Exited.WaitAsync(cancellationToken));
        }
        catch (IOException e)
        {
            exit = await ExplainLossAsync(e, cancellationToken);
        }

        _exit.TrySetResult(exit);
        return exit;
    }

    private static DriverExit ExitOf(ExitedMessage exited) => new()
    {
        ExitCode = exited.ExitCode,
        Signal = exited.Signal is { } number ? new Signal(number) : null,
        OutOfMemory = exited.OutOfMemory,
        Message = exited.Message.Length > 0 ? exited.Message : null,
    };

    // The guest is gone without telling how the job ended.
    private async Task<DriverExit> ExplainLossAsync(IOException error, CancellationToken cancellationToken)
    {
        if (_machine is not { } machine)
            return new DriverExit { Lost = true, Message = "The virtual machine ended while nobody watched it, and with it what its guest knew." };
        var byItself = true;
        if (await Task.WhenAny(machine.Ended, Task.Delay(EndPatience, _parts.Time, cancellationToken)) != machine.Ended)
        {
            cancellationToken.ThrowIfCancellationRequested();
            byItself = false;
            machine.Kill();
        }

        var end = await machine.Ended.WaitAsync(cancellationToken);
        if (_killed) return new DriverExit { Signal = Signal.Kill };
        var console = _console is null ? "" : await _console.ExplainAsync(end);
        if (byItself && end.Signal == Signal.Kill.Number)
        {
            return _host.Cgroup?.RanOutOfMemory() == true
                ? new DriverExit { Lost = true, Message = $"The host killed the virtual machine, since it used more memory than its guest was given. {console}" }
                : new DriverExit { KilledExternally = true, Message = "Its virtual machine was killed." };
        }

        return new DriverExit { Lost = true, Message = $"{(byItself ? "The virtual machine ended" : $"The agent in the guest was lost ({error.Message}), and the virtual machine was ended")} before the job did. {console}".Trim() };
    }

    public async ValueTask CollectOutputsAsync(CancellationToken cancellationToken)
    {
        if (_context.Request.Outputs.Count == 0) return;
        try
        {
            var channel = await _channel.Task.WaitAsync(cancellationToken);
            var (session, reply) = await channel.OpenAsync(
                FrameType.Collect, static (id, number) => new PayloadWriter().UInt32(id).UInt32(number).Payload, cancellationToken);
            Require(reply, "collect the outputs");
            await using (var archive = session.Stdout.AsStream())
                await new OutputDirectories(_context.Request).UnpackAsync(archive, MachineSize.Of(_context.Request.Resources, _parts.Options).Disk, cancellationToken);

            var exited = await session.Exited.WaitAsync(cancellationToken);
            await channel.CloseAsync(session);
            if (exited.ExitCode != 0) throw Failed(exited.Message);
        }
        catch (Exception e) when (e is IOException or TimeoutException)
        {
            throw Failed($"The outputs could not be brought out of the guest: {e.Message}", e);
        }
    }
}
