namespace Ergon.Conformance;

/// <summary>Resource use while a job runs.</summary>
public abstract class StatsConformance(ConformanceFixture fixture) : ConformanceTests(fixture)
{
    [Fact]
    public async Task The_numbers_of_a_busy_job_move()
    {
        var id = await StartAsync(Burn());
        if (!Can.Stats)
        {
            await Refusal(ErrorCode.NotSupported, () => FirstAsync(id));
            return;
        }

        List<ExecutionStats> samples = [];
        await foreach (var sample in Executor.GetStatsAsync(id, Token))
        {
            samples.Add(sample);
            if (samples.Count > 1 && sample.CpuTime > samples[0].CpuTime + TimeSpan.FromMilliseconds(200)) break;
        }

        samples.Select(s => s.CpuTime).Should().BeInAscendingOrder();
        samples.Select(s => s.Timestamp).Should().BeInAscendingOrder().And.OnlyHaveUniqueItems();
        samples.Should().OnlyContain(s => (s.MemoryBytes == null || s.MemoryBytes > 0) && (s.Pids == null || s.Pids > 0));
    }

    [Fact]
    public async Task The_stream_ends_with_the_execution()
    {
        if (!Can.Stats) return;
        var id = await StartAsync(Hang());
        var samples = 0;
        await foreach (var sample in Executor.GetStatsAsync(id, Token))
        {
            sample.CpuTime.Should().BeGreaterThanOrEqualTo(TimeSpan.Zero);
            if (samples++ == 0) await Executor.SignalAsync(id, Signal.Kill, Token);
        }

        samples.Should().BePositive();
        (await WaitAsync(id)).Reason.Should().Be(TerminationReason.Signaled);
    }

    [Fact]
    public async Task The_memory_limit_is_part_of_the_numbers()
    {
        if (!Can.Stats || !Can.MemoryLimit) return;
        const long limit = 96 << 20;
        var id = await StartAsync(Request(Hang()) with { Resources = new Resources { Memory = limit } });
        (await FirstAsync(id)).MemoryLimitBytes.Should().Be(limit);
    }

    [Fact]
    public async Task A_concluded_job_has_no_numbers()
    {
        var request = Request(Exit(0));
        await RunAsync(request);
        await Refusal(ErrorCode.ExecutionAlreadyConcluded, () => FirstAsync(request.ExecutionId));
    }

    private async Task<ExecutionStats> FirstAsync(ExecutionId id)
    {
        await foreach (var sample in Executor.GetStatsAsync(id, Token)) return sample;
        Assert.Fail("There was no sample.");
        throw new InvalidOperationException();
    }
}
