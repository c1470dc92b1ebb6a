using System.Runtime.InteropServices;
using System.Text.Json.Nodes;
using Ergon.Linux;
using Ergon.MicroVm.Qemu;

namespace Ergon.Firecracker.StandIn.Machine;

/// <summary>A started machine: QEMU, its monitor, and the bridge to the guest's agent.</summary>
internal sealed class RunningMachine
{
    private const string MonitorName = "stand-in-monitor.sock";
    private const string AgentName = "stand-in-agent.sock";
    private const long MostBytesPerSecond = 100L << 30;

    private readonly QemuMonitor _monitor;
    private readonly VsockBridge? _bridge;
    private int _changes;
    private TaskCompletionSource<bool> _migrated = new(TaskCreationOptions.RunContinuationsAsynchronously);

    private RunningMachine(Configuration configuration)
    {
        _monitor = new QemuMonitor(OnEvent);
        if (configuration is { VsockListener: { } listener, Vsock: { } vsock }) _bridge = new VsockBridge(listener, (string)vsock["uds_path"]!, AgentName);
    }

    public static async Task<RunningMachine> StartAsync(Configuration configuration) => (await StartAsync(configuration, null)).Machine;

    private static async Task<(RunningMachine Machine, QemuCommand Command)> StartAsync(Configuration configuration, SafeHandle? state)
    {
        var machine = new RunningMachine(configuration);
        // The sockets lie in the working directory, which is the machine's own.
        using var monitor = UnixSocket.Listen(".", MonitorName);
        using var agent = machine._bridge is null ? null : UnixSocket.Listen(".", AgentName);
        var command = new QemuCommand(configuration, await TimeStampCounter.KilohertzAsync()) { State = state };
        var ended = QemuProcess.StartAsync(command, command.Make(monitor, agent), out var started);
        await started;
        _ = EndWithAsync(ended);
        await machine._monitor.ConnectAsync(MonitorName);
        if (machine._bridge is { } bridge) _ = bridge.ServeAsync();
        return (machine, command);
    }

    /// <summary>Begins with a state that was saved.</summary>
    public static async Task<RunningMachine> LoadAsync(Configuration configuration, SafeHandle state, bool resume)
    {
        var (machine, command) = await StartAsync(configuration, state);
        await machine.MigrateAsync("migrate-incoming", command.StateName!);
        // Its agent listened when it was saved.
        machine._bridge?.OnGuestListens();
        if (resume) await machine._monitor.ExecuteAsync("cont");
        return machine;
    }

    /// <summary>Writes the state of a paused machine into a file.</summary>
    public Task SaveAsync(string path) => MigrateAsync("migrate", $"exec:cat > '{path}'");

    private async Task MigrateAsync(string command, string uri)
    {
        _migrated = new TaskCompletionSource<bool>(TaskCreationOptions.RunContinuationsAsynchronously);
        await _monitor.ExecuteAsync("migrate-set-capabilities", new JsonObject { ["capabilities"] = new JsonArray(new JsonObject { ["capability"] = "events", ["state"] = true }) });
        await _monitor.ExecuteAsync("migrate-set-parameters", new JsonObject { ["max-bandwidth"] = MostBytesPerSecond });
        await _monitor.ExecuteAsync(command, new JsonObject { ["uri"] = uri });
        if (!await _migrated.Task) throw new IOException("QEMU failed to do it.");
    }

    public async Task PauseAsync() => await _monitor.ExecuteAsync("stop");

    public async Task ResumeAsync()
    {
        if (StandInVersion.DeafensResumedGuests) _bridge?.Deafen();
        await _monitor.ExecuteAsync("cont");
    }

    /// <summary>Puts another file in the place of a drive's.</summary>
    public async Task ChangeDriveAsync(int drive, string path, bool readOnly)
    {
        var node = $"changed{_changes++}";
        await _monitor.ExecuteAsync("blockdev-add", new JsonObject
        {
            ["driver"] = "raw",
            ["node-name"] = node,
            ["read-only"] = readOnly,
            ["file"] = new JsonObject { ["driver"] = "file", ["filename"] = path, ["locking"] = "off", ["aio"] = "threads", ["read-only"] = readOnly },
        });
        await _monitor.ExecuteAsync("qom-set", new JsonObject { ["path"] = $"/machine/peripheral/{QemuCommand.DeviceOf(drive)}", ["property"] = "drive", ["value"] = node });
    }

    public async Task PressCtrlAltDelAsync() => await _monitor.ExecuteAsync("send-key", new JsonObject
    {
        ["keys"] = new JsonArray([.. new[] { "ctrl", "alt", "delete" }.Select(key => new JsonObject { ["type"] = "qcode", ["data"] = key })]),
    });

    private void OnEvent(string name, JsonNode? data)
    {
        if (name == "VSERPORT_CHANGE" && (string?)data?["id"] == QemuCommand.PortId) _bridge?.OnPortChanged((bool)data["open"]!);
        if (name == "MIGRATION" && (string?)data?["status"] is "completed" or "failed") _migrated.TrySetResult((string?)data?["status"] == "completed");
        // A guest that resets its machine ends it. One that powers it off does not: the real one has no power to switch off.
        if (name == "SHUTDOWN" && (string?)data?["reason"] is "guest-reset" or "guest-panic") _ = _monitor.ExecuteAsync("quit");
    }

    // There is one process to the outside: what ends the one ends the other, in the same way.
    private static async Task EndWithAsync(Task<int> ended)
    {
        var code = await ended;
        if (QemuProcess.SignalOf(code) is not 0 and var signal) Native.EndBy(signal);
        else Environment.Exit(code);
    }
}
