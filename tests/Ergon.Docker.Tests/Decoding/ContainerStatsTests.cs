using Ergon.Docker.Api;

namespace Ergon.Docker.Tests.Decoding;

/// <summary>The Engine's samples are the kernel's numbers, taken one after another.</summary>
public sealed class ContainerStatsTests
{
    [Theory]
    [InlineData("total_inactive_file", 400UL, 600L)]
    [InlineData("inactive_file", 400UL, 600L)]
    [InlineData("inactive_file", 2000UL, 1000L)]
    [InlineData("anon", 400UL, 1000L)]
    public void Memory_in_use_is_without_the_cache_and_never_less_than_nothing(string key, ulong value, long inUse)
    {
        var sample = new StatsSample
        {
            Cpu = new CpuStats(new CpuUsage(0)), Memory = new MemoryStats(1000, 5000, new Dictionary<string, ulong> { [key] = value }),
        };
        ContainerStats.From(sample, TimeProvider.System).MemoryBytes.Should().Be(inUse);
    }
}
