using System.Text.Json;
using Ergon.Linux;
using Ergon.MicroVm.Vmm;

namespace Ergon.MicroVm.Qemu;

/// <summary>A machine in QEMU.</summary>
internal sealed class QemuMachine(VmmProcess process, string directory, TimeProvider time) : IVirtualMachine
{
    public const string MonitorName = "monitor.sock";
    public const string AgentName = "agent.sock";

    private readonly SemaphoreSlim _connecting = new(1);
    private QmpConnection? _monitor;

    public int ProcessId => process.Id;

    public Task<VmmExit> Ended => process.Ended;

    public Stream Console => process.Console;

    /// <summary>Whether the virtual CPUs are stopped.</summary>
    public async ValueTask<bool> IsPausedAsync(CancellationToken cancellationToken)
    {
        var status = await (await MonitorAsync(cancellationToken)).ExecuteAsync("query-status", cancellationToken);
        return status.TryGetProperty("status", out var text) && text.ValueEquals("paused"u8);
    }

    // QEMU holds the connection until the guest opens its port: there is nothing to wait for here.
    public async ValueTask<Stream> ConnectAgentAsync(CancellationToken cancellationToken) =>
        await UnixSocket.ConnectAsync(directory, AgentName, cancellationToken);

    public async ValueTask PauseAsync(CancellationToken cancellationToken) => await ExecuteAsync("stop", cancellationToken);

    public async ValueTask ResumeAsync(CancellationToken cancellationToken) => await ExecuteAsync("cont", cancellationToken);

    public async ValueTask RequestShutdownAsync(CancellationToken cancellationToken) => await ExecuteAsync("system_powerdown", cancellationToken);

    public void Kill() => process.Kill();

    private async Task<JsonElement> ExecuteAsync(string command, CancellationToken cancellationToken)
    {
        try
        {
            return await (await MonitorAsync(cancellationToken)).ExecuteAsync(command, cancellationToken);
        }
        catch (IOException) when (Ended.IsCompleted)
        {
            return default; // a machine that has ended needs to be told nothing
        }
    }

    private async Task<QmpConnection> MonitorAsync(CancellationToken cancellationToken)
    {
        await _connecting.WaitAsync(cancellationToken);
        try
        {
            return _monitor ??= await QmpConnection.ConnectAsync(await UnixSocket.ConnectAsync(directory, MonitorName, cancellationToken), time, cancellationToken);
        }
        catch (System.Net.Sockets.SocketException e)
        {
            throw new IOException($"QEMU's monitor does not answer: {e.Message}", e);
        }
        finally
        {
            _connecting.Release();
        }
    }

    public async ValueTask DisposeAsync()
    {
        if (_monitor is not null) await _monitor.DisposeAsync();
        await process.DisposeAsync();
    }
}
