namespace Ergon.MicroVm.Guest.Boot;

/// <summary>Which modules a guest needs. Under translation each takes 5 to 60 ms: what a job does not need is not loaded.</summary>
/// <param name="Early">Those of its machine's bus and channel.</param>
/// <param name="Late">Those of its disks and file systems, loaded when the host is connected.</param>
/// <param name="Network">Those of its network interface, loaded when it has one.</param>
internal sealed record BootModules(IReadOnlyList<string> Early, IReadOnlyList<string> Late, IReadOnlyList<string> Network)
{
    private static readonly string[] Disks = ["virtio_blk", "squashfs", "overlay", "ext4"];
    private static readonly string[] Interfaces = ["virtio_net"];

    /// <summary>QEMU's small machine: devices on the memory bus, the channel is a virtio-serial port.</summary>
    public static BootModules QemuMicroVm { get; } = new(["virtio_mmio", "virtio_console"], Disks, Interfaces);

    /// <summary>QEMU's full machine: devices on PCI.</summary>
    public static BootModules QemuQ35 { get; } = new(["virtio_pci", "virtio_console"], Disks, Interfaces);

    /// <summary>
    /// Firecracker: devices on the memory bus, the channel is a vsock connection, and there is a source of entropy. What speaks Firecracker's API
    /// need not be Firecracker: one that has no vsock may have a virtio-serial port in its place.
    /// </summary>
    public static BootModules Firecracker { get; } =
        new(["virtio_mmio", "vmw_vsock_virtio_transport", "virtio_console"], ["virtio_rng", .. Disks], Interfaces);
}
