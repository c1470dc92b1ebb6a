using System.Text.Json;
using System.Text.Json.Serialization;

namespace Ergon.MicroVm.Firecracker;

// The bodies of Firecracker's API, as its published description (firecracker.yaml) names them.
internal sealed record MachineConfigBody(int VcpuCount, long MemSizeMib, bool Smt, string? CpuTemplate);

internal sealed record BootSourceBody(string KernelImagePath, string? InitrdPath, string BootArgs);

internal sealed record TokenBucketBody(long Size, long RefillTime);

internal sealed record RateLimiterBody(TokenBucketBody Bandwidth);

internal sealed record DriveBody(string DriveId, string PathOnHost, bool IsRootDevice, bool IsReadOnly, string CacheType, RateLimiterBody? RateLimiter);

internal sealed record NetworkInterfaceBody(string IfaceId, string HostDevName, string GuestMac, RateLimiterBody? RxRateLimiter, RateLimiterBody? TxRateLimiter);

internal sealed record VsockBody(long GuestCid, string UdsPath);

internal sealed record BalloonBody(long AmountMib, bool DeflateOnOom, int StatsPollingIntervalS);

internal sealed record MmdsConfigBody(string Version, IReadOnlyList<string> NetworkInterfaces);

internal sealed record EntropyBody;

internal sealed record ActionBody(string ActionType);

internal sealed record DriveUpdateBody(string DriveId, string PathOnHost);

internal sealed record VmStateBody(string State);

internal sealed record SnapshotCreateBody(string SnapshotType, string SnapshotPath, string MemFilePath);

internal sealed record MemBackendBody(string BackendType, string BackendPath);

internal sealed record SnapshotLoadBody(string SnapshotPath, MemBackendBody MemBackend, bool ResumeVm);

internal sealed record InstanceInfoBody(string State, string VmmVersion);

[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.SnakeCaseLower, DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull)]
[JsonSerializable(typeof(MachineConfigBody))]
[JsonSerializable(typeof(BootSourceBody))]
[JsonSerializable(typeof(DriveBody))]
[JsonSerializable(typeof(DriveUpdateBody))]
[JsonSerializable(typeof(NetworkInterfaceBody))]
[JsonSerializable(typeof(VsockBody))]
[JsonSerializable(typeof(BalloonBody))]
[JsonSerializable(typeof(MmdsConfigBody))]
[JsonSerializable(typeof(EntropyBody))]
[JsonSerializable(typeof(ActionBody))]
[JsonSerializable(typeof(VmStateBody))]
[JsonSerializable(typeof(SnapshotCreateBody))]
[JsonSerializable(typeof(SnapshotLoadBody))]
[JsonSerializable(typeof(InstanceInfoBody))]
[JsonSerializable(typeof(JsonElement))]
internal sealed partial class FirecrackerJson : JsonSerializerContext;
