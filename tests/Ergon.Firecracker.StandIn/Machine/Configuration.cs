using System.Net.Sockets;
using System.Text.Json.Nodes;
using Microsoft.Win32.SafeHandles;

namespace Ergon.Firecracker.StandIn.Machine;

/// <summary>A disk, opened when it was configured.</summary>
internal sealed record ConfiguredDrive(JsonObject Body, SafeFileHandle Reading, SafeFileHandle? Writing);

/// <summary>A network interface, attached to its tap when it was configured.</summary>
internal sealed record ConfiguredInterface(JsonObject Body, SafeFileHandle Tap);

/// <summary>Everything that was put before the start.</summary>
internal sealed class Configuration
{
    public JsonObject Machine { get; set; } = new()
    {
        ["vcpu_count"] = 1,
        ["mem_size_mib"] = 128,
        ["smt"] = false,
        ["track_dirty_pages"] = false,
        ["huge_pages"] = "None",
    };

    public JsonObject? Boot { get; set; }

    public SafeFileHandle? Kernel { get; set; }

    public SafeFileHandle? Initrd { get; set; }

    /// <summary>In the order in which the guest sees them: a root device comes first.</summary>
    public List<ConfiguredDrive> Drives { get; } = [];

    public List<ConfiguredInterface> Interfaces { get; } = [];

    public JsonObject? Vsock { get; set; }

    public Socket? VsockListener { get; set; }

    public JsonObject? Balloon { get; set; }

    public JsonObject? Entropy { get; set; }

    public JsonObject? Logger { get; set; }

    public JsonObject? Metrics { get; set; }

    public JsonObject? Serial { get; set; }

    public JsonObject? CpuConfig { get; set; }

    public JsonObject? MmdsConfig { get; set; }

    public JsonNode? Mmds { get; set; }

    /// <summary>All of it, as <c>GET /vm/config</c> tells it.</summary>
    public JsonObject ToJson() => new()
    {
        ["balloon"] = Balloon?.DeepClone(),
        ["drives"] = new JsonArray([.. Drives.Select(d => d.Body.DeepClone())]),
        ["boot-source"] = Boot?.DeepClone(),
        ["machine-config"] = Machine.DeepClone(),
        ["cpu-config"] = CpuConfig?.DeepClone(),
        ["metrics"] = Metrics?.DeepClone(),
        ["logger"] = Logger?.DeepClone(),
        ["network-interfaces"] = new JsonArray([.. Interfaces.Select(i => i.Body.DeepClone())]),
        ["vsock"] = Vsock?.DeepClone(),
        ["entropy"] = Entropy?.DeepClone(),
        ["mmds-config"] = MmdsConfig?.DeepClone(),
    };
}
