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

    public async ValueTask<bool> IsPausedAsync(CancellationToken cancellationToken) => await GetStatusAsync(cancellationToken) == "paused";

    /// <summary>What QEMU says that the machine does; <see langword="null"/>: it has ended.</summary>
    public async ValueTask<string?> GetStatusAsync(CancellationToken cancellationToken) => StatusOf(await ExecuteAsync("query-status", cancellationToken));

    // QEMU holds the connection until the guest opens its port: there is nothing to wait for here.
    public async ValueTask<Stream> ConnectAgentAsync(CancellationToken cancellationToken) =>
        await UnixSocket.ConnectAsync(directory, AgentName, cancellationToken);

    public async ValueTask PauseAsync(CancellationToken cancellationToken) => await ExecuteAsync("stop", cancellationToken);

    public async ValueTask ResumeAsync(CancellationToken cancellationToken) => await ExecuteAsync("cont", cancellationToken);

    public async ValueTask RequestShutdownAsync(CancellationToken cancellationToken) => await ExecuteAsync("system_powerdown", cancellationToken);

    public void Kill() => process.Kill();

    /// <summary>Waits until the state that the machine begins with is loaded, and lets it go on: it is as still as it was when it was saved.</summary>
    public async Task GoOnWhenLoadedAsync(CancellationToken cancellationToken)
    {
        var monitor = await MonitorAsync(cancellationToken);
        using var steps = await WatchMigrationAsync(monitor, cancellationToken);
        if (StatusOf(await monitor.ExecuteAsync("query-status", cancellationToken)) == "inmigrate") await CompleteAsync(steps, "load", cancellationToken);
        await monitor.ExecuteAsync("cont", cancellationToken);
    }

    public async Task SwapDisksAsync(IReadOnlyList<VmDisk> disks, CancellationToken cancellationToken) =>
        await QemuDisks.SwapAsync(await MonitorAsync(cancellationToken), disks, cancellationToken);

    /// <summary>Writes the machine's state into a file and lets it go on.</summary>
    public async Task SaveAsync(SafeFileHandle file, CancellationToken cancellationToken)
    {
        const string Name = "snapshot";
        var monitor = await MonitorAsync(cancellationToken);
        using var steps = await WatchMigrationAsync(monitor, cancellationToken);
        await monitor.ExecuteWithDescriptorAsync("getfd", file, cancellationToken, static json => json.WriteString("fdname", Name));
        await monitor.ExecuteAsync("migrate-set-parameters", cancellationToken, static json => json.WriteNumber("max-bandwidth", MaxSaveBytesPerSecond));
        try
        {
            // QEMU would save a machine that runs, but of a translated one it misses writes now and then: a page of such a copy is older than its processor.
            await monitor.ExecuteAsync("stop", cancellationToken);
            await monitor.ExecuteAsync("migrate", cancellationToken, static json => json.WriteString("uri", $"fd:{Name}"));
            await CompleteAsync(steps, "save", cancellationToken);
        }
        catch (OperationCanceledException)
        {
            // QEMU would go on saving, and stop the machine when it is done, when nobody lets it go on any more.
            await monitor.ExecuteAsync("migrate_cancel", CancellationToken.None);
            throw;
        }
        finally
        {
            await GoOnAsync(monitor);
        }
    }

    // QEMU tells of the steps of a migration, which saving and loading are to it, only when it was asked to.
    private static async Task<QmpEvents> WatchMigrationAsync(QmpConnection monitor, CancellationToken cancellationToken)
    {
        await monitor.ExecuteAsync("migrate-set-capabilities", cancellationToken, static json =>
        {
            json.WriteStartArray("capabilities");
            json.WriteStartObject();
            json.WriteString("capability", "events");
            json.WriteBoolean("state", true);
            json.WriteEndObject();
            json.WriteEndArray();
        });
        return monitor.Watch("MIGRATION");
    }

    private static async Task CompleteAsync(QmpEvents steps, string what, CancellationToken cancellationToken)
    {
        while (StatusOf(await steps.NextAsync(cancellationToken)) is not "completed" and var status)
            if (status is null or "failed" or "cancelled") throw new IOException($"QEMU could not {what} the machine: it says '{status}'.");
    }

    private static string? StatusOf(JsonElement data) =>
        data.ValueKind == JsonValueKind.Object && data.TryGetProperty("status", out var status) && status.ValueKind == JsonValueKind.String ? status.GetString() : null;

    // QEMU tells that a state is saved a moment before it lets the machine go on, and nothing tells when that moment is over.
    private async Task GoOnAsync(QmpConnection monitor)
    {
        using var deadline = new CancellationTokenSource(GoOnDeadline, time);
        while (true)
        {
            if (StatusOf(await monitor.ExecuteAsync("query-status", deadline.Token)) is not (null or "finish-migrate")) break;
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
