using System.Text.Json;
using Ergon.Linux;
using Ergon.MicroVm.Vmm;
using Microsoft.Win32.SafeHandles;

namespace Ergon.MicroVm.Qemu;

/// <summary>A machine in QEMU.</summary>
internal sealed class QemuMachine(VmmProcess process, string directory, TimeProvider time) : IVirtualMachine
{
    public const string MonitorName = "monitor.sock";
    public const string AgentName = "agent.sock";

    private const long MaxSaveBytesPerSecond = 100L << 30;

    private static readonly TimeSpan GoOnDeadline = TimeSpan.FromSeconds(20);
    private static readonly TimeSpan FinishDelay = TimeSpan.FromMilliseconds(5);

    private readonly SemaphoreSlim _connecting = new(1);
    private QmpConnection? _monitor;

    public int ProcessId => process.Id;

    public Task<VmmExit> Ended => process.Ended;

    public Stream Console => process.Console;

    public async ValueTask<bool> IsPausedAsync(CancellationToken cancellationToken)
    {
        var status = await ExecuteAsync("query-status", cancellationToken);
        return status.ValueKind == JsonValueKind.Object && status.TryGetProperty("status", out var text) && text.ValueEquals("paused"u8);
    }

    // QEMU holds the connection until the guest opens its port: there is nothing to wait for here.
    public async ValueTask<Stream> ConnectAgentAsync(CancellationToken cancellationToken) =>
        await UnixSocket.ConnectAsync(directory, AgentName, cancellationToken);

    public async ValueTask PauseAsync(CancellationToken cancellationToken) => await ExecuteAsync("stop", cancellationToken);

    public async ValueTask ResumeAsync(CancellationToken cancellationToken) => await ExecuteAsync("cont", cancellationToken);

    public async ValueTask RequestShutdownAsync(CancellationToken cancellationToken) => await ExecuteAsync("system_powerdown", cancellationToken);

    public void Kill() => process.Kill();

    /// <summary>Waits until the virtual CPUs run, as they do when the state that the machine begins with is loaded.</summary>
    public async Task WaitUntilRunningAsync(CancellationToken cancellationToken)
    {
        var monitor = await MonitorAsync(cancellationToken);
        var resumed = monitor.NextEvent("RESUME");
        var status = await monitor.ExecuteAsync("query-status", cancellationToken);
        if (status.TryGetProperty("status", out var text) && text.ValueEquals("running"u8)) return;
        await resumed.WaitAsync(cancellationToken);
    }

    /// <summary>Writes the machine's state into a file and lets it go on.</summary>
    public async Task SaveAsync(SafeFileHandle file, CancellationToken cancellationToken)
    {
        const string Name = "snapshot";
        var monitor = await MonitorAsync(cancellationToken);
        await monitor.GiveDescriptorAsync(Name, file, cancellationToken);
        await monitor.ExecuteAsync("migrate-set-capabilities", cancellationToken, static json =>
        {
            json.WriteStartArray("capabilities");
            json.WriteStartObject();
            json.WriteString("capability", "events");
            json.WriteBoolean("state", true);
            json.WriteEndObject();
            json.WriteEndArray();
        });
        await monitor.ExecuteAsync("migrate-set-parameters", cancellationToken, static json => json.WriteNumber("max-bandwidth", MaxSaveBytesPerSecond));
        var next = monitor.NextEvent("MIGRATION");
        await monitor.ExecuteAsync("migrate", cancellationToken, static json => json.WriteString("uri", $"fd:{Name}"));
        try
        {
            while ((await next.WaitAsync(cancellationToken)).GetProperty("status").GetString() is not "completed" and var status)
            {
                if (status is "failed" or "cancelled") throw new IOException($"QEMU could not save the machine: it says '{status}'.");
                next = monitor.NextEvent("MIGRATION");
            }
        }
        finally
        {
            // Saving stops the machine, whether it succeeds or not.
            await GoOnAsync(monitor);
        }
    }

    // QEMU tells that a state is saved a moment before it lets the machine go on, and nothing tells when that moment is over.
    private async Task GoOnAsync(QmpConnection monitor)
    {
        using var deadline = new CancellationTokenSource(GoOnDeadline, time);
        while (true)
        {
            var status = await monitor.ExecuteAsync("query-status", deadline.Token);
            if (status.TryGetProperty("status", out var text) && !text.ValueEquals("finish-migrate"u8)) break;
            await Task.Delay(FinishDelay, time, deadline.Token);
        }

        await monitor.ExecuteAsync("cont", deadline.Token);
    }

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
