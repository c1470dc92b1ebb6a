namespace Ergon.MicroVm.Guest.Boot;

/// <summary>Which modules a guest needs: those of its machine's bus and channel first, those of its disks and file systems when the host is connected.</summary>
internal sealed record BootModules(IReadOnlyList<string> Early, IReadOnlyList<string> Late)
{
    private static readonly string[] Disks = ["virtio_blk", "virtio_net", "virtio_rng", "squashfs", "overlay", "ext4"];

    /// <summary>QEMU's small machine: devices on the memory bus, the channel is a virtio-serial port.</summary>
    public static BootModules QemuMicroVm { get; } = new(["virtio_mmio", "virtio_console"], Disks);

    /// <summary>QEMU's full machine: devices on PCI.</summary>
    public static BootModules QemuQ35 { get; } = new(["virtio_pci", "virtio_console"], Disks);

    /// <summary>
    /// Firecracker: devices on the memory bus, the channel is a vsock connection. What speaks Firecracker's API need not be Firecracker: one
    /// that has no vsock may have a virtio-serial port in its place.
    /// </summary>
    public static BootModules Firecracker { get; } = new(["virtio_mmio", "vmw_vsock_virtio_transport", "virtio_console"], Disks);
}
