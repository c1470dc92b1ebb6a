using System.Text.Json.Serialization;

namespace Ergon.Docker.Api;

/// <summary>One reading of what a container uses.</summary>
internal sealed record StatsSample
{
    [JsonPropertyName("read")]
    public DateTimeOffset Read { get; init; }

    [JsonPropertyName("cpu_stats")]
    public CpuStats? Cpu { get; init; }

    [JsonPropertyName("memory_stats")]
    public MemoryStats? Memory { get; init; }

    [JsonPropertyName("pids_stats")]
    public PidsStats? Pids { get; init; }

    [JsonPropertyName("networks")]
    public IReadOnlyDictionary<string, NetworkStats>? Networks { get; init; }

    [JsonPropertyName("blkio_stats")]
    public BlockStats? Blocks { get; init; }
}

internal sealed record CpuStats([property: JsonPropertyName("cpu_usage")] CpuUsage? Usage);

/// <param name="Total">Nanoseconds.</param>
internal sealed record CpuUsage([property: JsonPropertyName("total_usage")] ulong Total);

/// <param name="Usage">Bytes.</param>
/// <param name="Limit">Bytes; without a limit, more than the machine has.</param>
/// <param name="Details">The kernel's own numbers.</param>
internal sealed record MemoryStats(
    [property: JsonPropertyName("usage")] ulong? Usage,
    [property: JsonPropertyName("limit")] ulong? Limit,
    [property: JsonPropertyName("stats")] IReadOnlyDictionary<string, ulong>? Details);

internal sealed record PidsStats([property: JsonPropertyName("current")] ulong? Current);

internal sealed record NetworkStats([property: JsonPropertyName("rx_bytes")] ulong Received, [property: JsonPropertyName("tx_bytes")] ulong Sent);

internal sealed record BlockStats([property: JsonPropertyName("io_service_bytes_recursive")] IReadOnlyList<BlockEntry>? Bytes);

internal sealed record BlockEntry([property: JsonPropertyName("op")] string? Operation, [property: JsonPropertyName("value")] ulong Value);
