using System.Globalization;
using Ergon.MicroVm.Guest.Protocol;
using Ergon.MicroVm.Vmm;
using Microsoft.Win32.SafeHandles;

namespace Ergon.MicroVm.Qemu;

/// <summary>
/// Makes QEMU's command line. Every file and socket is opened here and handed over as a descriptor, so that an unprivileged QEMU needs no
/// access to any path.
/// </summary>
internal sealed class QemuArguments(VmPlan plan, string machineType, string acceleration, long tscKilohertz)
{
    private const int FirstDescriptor = 3;

    // What QEMU's translator may keep of translated code; without a bound it takes up to 1 GiB for itself.
    public const int TranslationMebibytes = 128;

    private readonly List<string> _arguments = [];
    private readonly List<SafeFileHandle> _descriptors = [];

    private bool IsMicroVm => machineType == "microvm";

    private bool IsTranslated => acceleration == "tcg";

    // The two machine types have the same devices on different buses.
    private string Bus => IsMicroVm ? "device" : "pci";

    public IReadOnlyList<SafeFileHandle> Descriptors => _descriptors;

    /// <summary>Makes all of it.</summary>
    /// <param name="monitor">The listening socket of the monitor.</param>
    /// <param name="agent">The listening socket of the channel to the agent.</param>
    /// <param name="tap">The opened tap device.</param>
    /// <param name="snapshot">The state that the machine begins with; it is disposed of with the other descriptors.</param>
    public IReadOnlyList<string> Make(SafeFileHandle monitor, SafeFileHandle? agent, SafeFileHandle? tap, SafeFileHandle? snapshot)
    {
        Add("-name", $"{plan.Name.Replace(",", ",,", StringComparison.Ordinal)},debug-threads=on");
        Add("-nodefaults", "-no-user-config", "-no-reboot", "-display", "none");
        Add("-sandbox", "on,obsolete=deny,elevateprivileges=deny,spawn=deny,resourcecontrol=deny");
        AddMachine();
        Add("-chardev", $"socket,id=monitor,fd={Hand(monitor)},server=on,wait=off", "-mon", "chardev=monitor,mode=control");
        Add("-chardev", "stdio,id=console,signal=off", "-serial", "chardev:console");
        if (agent is not null)
        {
            Add("-chardev", $"socket,id=agent,fd={Hand(agent)},server=on,wait=off");
            Add("-device", $"virtio-serial-{Bus},id=channels,max_ports=2", "-device", $"virtserialport,bus=channels.0,chardev=agent,name={GuestProtocol.PortName}");
        }

        for (var i = 0; i < plan.Disks.Count; i++) AddDisk(plan.Disks[i], i);
        if (tap is not null)
            Add("-netdev", $"tap,id=network,fd={Hand(tap)}", "-device", $"virtio-net-{Bus},netdev=network,mac={plan.Tap!.Mac}");
        AddKernel();
        if (snapshot is not null) Add("-incoming", $"fd:{Hand(snapshot)}");
        return _arguments;
    }

    private void AddMachine()
    {
        Add("-accel", IsTranslated ? string.Create(CultureInfo.InvariantCulture, $"tcg,tb-size={TranslationMebibytes}") : acceleration);
        Add("-M", IsMicroVm ? "microvm" : "q35,vmport=off,usb=off,sata=off,smbus=off");
        // Under translation string instructions without the fast flags are translated better, and five-level tables cost time.
        Add("-cpu", IsTranslated ? "max,-erms,-fsrm,-la57" : "host");
        Add("-m", $"{(plan.MemoryBytes + (1 << 20) - 1) >> 20}M", "-smp", $"{plan.Cpus}");
    }

    private void AddDisk(VmDisk disk, int index)
    {
        var set = index + 1;
        // QEMU takes from the set the descriptor that has just the access it wants; it looks at a disk before it writes on it.
        Add("-add-fd", $"fd={Hand(File.OpenHandle(disk.Path))},set={set}");
        if (!disk.ReadOnly) Add("-add-fd", $"fd={Hand(File.OpenHandle(disk.Path, FileMode.Open, FileAccess.ReadWrite, FileShare.ReadWrite))},set={set}");
        // Nothing on a scratch disk has to survive the host: it need not be flushed.
        var use = disk.ReadOnly ? "readonly=on" : "cache=unsafe,discard=unmap";
        // Nobody else has the disk; a lock of it would be in the way of QEMU itself when it goes on after its state was kept.
        Add("-drive", $"if=none,id=disk{index},file=/dev/fdset/{set},file.locking=off,format=raw,aio=threads,{use}");
        Add("-device", $"virtio-blk-{Bus},id={QemuDisks.DeviceOf(index)},drive=disk{index},serial={disk.Serial}");
    }

    private void AddKernel()
    {
        Add("-kernel", PathOf(plan.KernelPath));
        if (plan.InitrdPath is { } initrd) Add("-initrd", PathOf(initrd));
        Add("-append", $"{VmmKernelArguments()}{plan.KernelArguments}");
    }

    // The request's or our own arguments come last and win.
    private string VmmKernelArguments()
    {
        var common = "reboot=t panic=-1 no_timer_check noreplace-smp ";
        // Without the rate, a guest on a busy host may wait for ever for its timers to agree.
        return IsTranslated ? string.Create(CultureInfo.InvariantCulture, $"{common}tsc=reliable tsc_early_khz={tscKilohertz} mitigations=off ") : common;
    }

    private string PathOf(string file) => $"/dev/fd/{Hand(File.OpenHandle(file))}";

    private int Hand(SafeFileHandle handle)
    {
        _descriptors.Add(handle);
        return FirstDescriptor + _descriptors.Count - 1;
    }

    private void Add(params ReadOnlySpan<string> arguments) => _arguments.AddRange(arguments);
}
