using System.Text.Json.Nodes;
using Ergon.Linux;
using Ergon.MicroVm.Qemu;

namespace Ergon.Firecracker.StandIn.Machine;

/// <summary>A started machine: QEMU, its monitor, and the bridge to the guest's agent.</summary>
internal sealed class RunningMachine
{
    private const string MonitorName = "stand-in-monitor.sock";
    private const string AgentName = "stand-in-agent.sock";

    private readonly QemuMonitor _monitor;
    private readonly VsockBridge? _bridge;

    private RunningMachine(Configuration configuration)
    {
        _monitor = new QemuMonitor(OnEvent);
        if (configuration is { VsockListener: { } listener, Vsock: { } vsock }) _bridge = new VsockBridge(listener, (string)vsock["uds_path"]!, AgentName);
    }

    public static async Task<RunningMachine> StartAsync(Configuration configuration)
    {
        var machine = new RunningMachine(configuration);
        // The sockets lie in the working directory, which is the machine's own.
        using var monitor = UnixSocket.Listen(".", MonitorName);
        using var agent = machine._bridge is null ? null : UnixSocket.Listen(".", AgentName);
        var command = new QemuCommand(configuration, await TimeStampCounter.KilohertzAsync());
        var ended = QemuProcess.StartAsync(command, command.Make(monitor, agent), out var started);
        await started;
        _ = EndWithAsync(ended);
        await machine._monitor.ConnectAsync(MonitorName);
        if (machine._bridge is { } bridge) _ = bridge.ServeAsync();
        return machine;
    }

    public async Task PauseAsync() => await _monitor.ExecuteAsync("stop");

    public async Task ResumeAsync()
    {
        if (StandInVersion.DeafensResumedGuests) _bridge?.Deafen();
        await _monitor.ExecuteAsync("cont");
    }

    public async Task PressCtrlAltDelAsync() => await _monitor.ExecuteAsync("send-key", new JsonObject
    {
        ["keys"] = new JsonArray([.. new[] { "ctrl", "alt", "delete" }.Select(key => new JsonObject { ["type"] = "qcode", ["data"] = key })]),
    });

    private void OnEvent(string name, JsonNode? data)
    {
        if (name == "VSERPORT_CHANGE" && (string?)data?["id"] == QemuCommand.PortId) _bridge?.OnPortChanged((bool)data["open"]!);
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
