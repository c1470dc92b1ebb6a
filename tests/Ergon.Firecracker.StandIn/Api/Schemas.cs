namespace Ergon.Firecracker.StandIn.Api;

/// <summary>The bodies that the API takes.</summary>
internal static class Schemas
{
    private static readonly Schema TokenBucket = new(Needed("size", FieldKind.Number, long.MaxValue), Number("one_time_burst", long.MaxValue), Needed("refill_time", FieldKind.Number, long.MaxValue));
    private static readonly Schema RateLimiter = new(Object("bandwidth", TokenBucket), Object("ops", TokenBucket));

    public static Schema BootSource { get; } = new(Needed("kernel_image_path"), Text("initrd_path"), Text("boot_args"));

    public static Schema MachineConfig { get; } = new(MachineFields(needed: true));

    public static Schema MachineConfigChange { get; } = new(MachineFields(needed: false));

    public static Schema Drive { get; } = new(
        Needed("drive_id"), Text("partuuid"), Needed("is_root_device", FieldKind.Flag), Text("cache_type", "Unsafe", "Writeback"), Flag("is_read_only"),
        Text("path_on_host"), Object("rate_limiter", RateLimiter), Text("io_engine", "Sync", "Async"), Text("socket"));

    public static Schema DriveChange { get; } = new(Needed("drive_id"), Text("path_on_host"), Object("rate_limiter", RateLimiter));

    public static Schema NetworkInterface { get; } = new(
        Needed("iface_id"), Needed("host_dev_name"), Text("guest_mac"), Number("mtu", ushort.MaxValue), Object("rx_rate_limiter", RateLimiter), Object("tx_rate_limiter", RateLimiter));

    public static Schema Vsock { get; } = new(Text("vsock_id"), Needed("guest_cid", FieldKind.Number), Needed("uds_path"));

    public static Schema Logger { get; } = new(
        Text("log_path"), Text("level", "Off", "Trace", "Debug", "Info", "Warn", "Warning", "Error"), Flag("show_level"), Flag("show_log_origin"), Text("module"));

    public static Schema Metrics { get; } = new(Needed("metrics_path"));

    public static Schema Serial { get; } = new(Text("serial_out_path"), Object("rate_limiter", TokenBucket));

    public static Schema Balloon { get; } = new(
        Needed("amount_mib", FieldKind.Number), Needed("deflate_on_oom", FieldKind.Flag), Number("stats_polling_interval_s", ushort.MaxValue), Flag("free_page_hinting"), Flag("free_page_reporting"));

    public static Schema Entropy { get; } = new(Object("rate_limiter", RateLimiter));

    public static Schema MmdsConfig { get; } = new(Text("version", "V1", "V2"), Needed("network_interfaces", FieldKind.List), Text("ipv4_address"), Flag("imds_compat"));

    public static Schema CpuConfig { get; } = new(new Field("kvm_capabilities", FieldKind.List), new Field("cpuid_modifiers", FieldKind.List), new Field("msr_modifiers", FieldKind.List));

    public static Schema SnapshotCreate { get; } = new(Text("snapshot_type", "Diff", "Full"), Needed("snapshot_path"), Needed("mem_file_path"));

    public static Schema SnapshotLoad { get; } = new(
        Needed("snapshot_path"), Text("mem_file_path"),
        Object("mem_backend", new Schema(new Field("backend_type", FieldKind.Text) { IsRequired = true, Variants = ["File", "Uffd"] }, Needed("backend_path"))),
        Flag("enable_diff_snapshots"), Flag("track_dirty_pages"), Flag("resume_vm"), new Field("network_overrides", FieldKind.List),
        Object("vsock_override", new Schema(Needed("uds_path"))), Flag("clock_realtime"));

    public static Schema VmState { get; } = new(new Field("state", FieldKind.Text) { IsRequired = true, Variants = ["Paused", "Resumed"] });

    public static Schema Action { get; } = new(new Field("action_type", FieldKind.Text) { IsRequired = true, Variants = ["FlushMetrics", "InstanceStart", "SendCtrlAltDel"] });

    private static Field[] MachineFields(bool needed) =>
    [
        new("vcpu_count", FieldKind.Number) { IsRequired = needed, Most = byte.MaxValue }, new("mem_size_mib", FieldKind.Number) { IsRequired = needed },
        Flag("smt"), Text("cpu_template", "C3", "T2", "T2S", "T2CL", "T2A", "V1N1", "None"), Flag("track_dirty_pages"), Text("huge_pages", "None", "2M"),
    ];

    private static Field Needed(string name, FieldKind kind = FieldKind.Text, long most = uint.MaxValue) => new(name, kind) { IsRequired = true, Most = most };

    private static Field Text(string name, params IReadOnlyList<string> variants) => new(name, FieldKind.Text) { Variants = variants };

    private static Field Number(string name, long most) => new(name, FieldKind.Number) { Most = most };

    private static Field Flag(string name) => new(name, FieldKind.Flag);

    private static Field Object(string name, Schema schema) => new(name, FieldKind.Object) { Schema = schema };
}
