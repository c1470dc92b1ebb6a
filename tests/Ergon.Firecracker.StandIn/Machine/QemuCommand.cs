using System.Globalization;
using System.Runtime.InteropServices;
using System.Text.Json.Nodes;

namespace Ergon.Firecracker.StandIn.Machine;

/// <summary>Turns a configuration into the command line of QEMU's small machine, which has the same kinds of devices.</summary>
internal sealed class QemuCommand(Configuration configuration, long tscKilohertz) : IDisposable
{
    /// <summary>The device that stands in for the vsock.</summary>
    public const string PortId = "agent";

    private const string PortName = "ergon.agent";

    /// <summary>The device that shows a drive to the guest.</summary>
    public static string DeviceOf(int drive) => $"block{drive}";

    // No guest may wait for a timer that a busy host cannot calibrate. The configured arguments come last and win.
    private const string Before = "tsc=reliable mitigations=off no_timer_check noreplace-smp ";

    private readonly List<string> _arguments = [];
    private readonly List<int> _descriptors = [];

    /// <summary>The saved state that the machine is to begin with; <see langword="null"/>: it boots.</summary>
    public SafeHandle? State { get; init; }

    /// <summary>The name of that state, as QEMU is told where to take it from.</summary>
    public string? StateName { get; private set; }

    public IReadOnlyList<string> Make(SafeHandle monitor, SafeHandle? agent)
    {
        Add("-nodefaults", "-no-user-config", "-no-reboot", "-no-shutdown", "-display", "none", "-name", "firecracker-stand-in");
        Add("-accel", "tcg,tb-size=128", "-M", "microvm", "-cpu", "max,-erms,-fsrm,-la57");
        // QEMU would make up to 64 threads for its disks, which Firecracker does not.
        Add("-object", "main-loop,id=main-loop,thread-pool-max=8");
        Add("-m", $"{Number(configuration.Machine, "mem_size_mib")}M", "-smp", $"{Number(configuration.Machine, "vcpu_count")}");
        Add("-chardev", $"socket,id=monitor,fd={Hand(monitor)},server=on,wait=off", "-mon", "chardev=monitor,mode=control");
        AddConsole();
        // The controller that a guest resets itself with, and its keyboard for Ctrl-Alt-Del.
        Add("-device", "i8042");
        if (agent is not null)
        {
            Add("-chardev", $"socket,id=channel,fd={Hand(agent)},server=on,wait=off");
            Add("-device", "virtio-serial-device,id=channels,max_ports=2", "-device", $"virtserialport,bus=channels.0,chardev=channel,name={PortName},id={PortId}");
        }

        for (var i = 0; i < configuration.Drives.Count; i++) AddDrive(configuration.Drives[i], i);
        for (var i = 0; i < configuration.Interfaces.Count; i++) AddInterface(configuration.Interfaces[i], i);
        if (configuration.Entropy is not null) Add("-device", "virtio-rng-device");
        if (configuration.Balloon is { } balloon) Add("-device", $"virtio-balloon-device,deflate-on-oom={((bool)balloon["deflate_on_oom"]! ? "on" : "off")}");
        AddKernel();
        if (State is not null)
        {
            StateName = $"fd:{Hand(State)}";
            Add("-incoming", "defer");
        }

        return _arguments;
    }

    private void AddConsole()
    {
        var file = (string?)configuration.Serial?["serial_out_path"];
        Add("-chardev", file is null ? "stdio,id=console,signal=off" : $"file,id=console,path={Escape(file)}", "-serial", "chardev:console");
    }

    private void AddDrive(ConfiguredDrive drive, int index)
    {
        var set = index + 1;
        Add("-add-fd", $"fd={Hand(drive.Reading)},set={set}");
        if (drive.Writing is { } writing) Add("-add-fd", $"fd={Hand(writing)},set={set}");
        var use = drive.Writing is null ? "readonly=on" : "cache=unsafe,discard=unmap";
        Add("-drive", $"if=none,id=disk{index},file=/dev/fdset/{set},format=raw,aio=threads,{use}{Throttling(drive.Body)}");
        // As of the real one, the serial number is not the id of the drive: a guest must not rely on it.
        Add("-device", $"virtio-blk-device,id={DeviceOf(index)},drive=disk{index},serial=0{1000 + index}");
    }

    private void AddInterface(ConfiguredInterface network, int index)
    {
        var mac = (string?)network.Body["guest_mac"] is { } address ? $",mac={address}" : "";
        var mtu = network.Body["mtu"] is { } size ? $",host_mtu={(int)size}" : "";
        Add("-netdev", $"tap,id=network{index},fd={Hand(network.Tap)}", "-device", $"virtio-net-device,netdev=network{index}{mac}{mtu}");
    }

    private void AddKernel()
    {
        Add("-kernel", $"/dev/fd/{Hand(configuration.Kernel!)}");
        if (configuration.Initrd is { } initrd) Add("-initrd", $"/dev/fd/{Hand(initrd)}");
        var early = tscKilohertz > 0 ? string.Create(CultureInfo.InvariantCulture, $"tsc_early_khz={tscKilohertz} ") : "";
        Add("-append", $"{Before}{early}{(string?)configuration.Boot!["boot_args"]}");
    }

    private static string Throttling(JsonObject drive)
    {
        if (drive["rate_limiter"]?["bandwidth"] is not { } bucket) return "";
        var rate = (long)bucket["size"]! * 1000 / Math.Max(1, (long)bucket["refill_time"]!);
        return string.Create(CultureInfo.InvariantCulture, $",throttling.bps-total={Math.Max(1, rate)}");
    }

    private static long Number(JsonObject from, string name) => (long)from[name]!;

    private static string Escape(string path) => path.Replace(",", ",,", StringComparison.Ordinal);

    private int Hand(SafeHandle handle)
    {
        _descriptors.Add(Native.Inheritable(handle));
        return _descriptors[^1];
    }

    private void Add(params ReadOnlySpan<string> arguments) => _arguments.AddRange(arguments);

    /// <summary>Closes the descriptors, once QEMU has its own.</summary>
    public void Dispose()
    {
        foreach (var descriptor in _descriptors) _ = Native.Close(descriptor);
    }
}
