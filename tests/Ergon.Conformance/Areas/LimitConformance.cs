namespace Ergon.Conformance;

/// <summary>Memory, CPU and process limits.</summary>
public abstract class LimitConformance(ConformanceFixture fixture) : ConformanceTests(fixture)
{
    [Fact]
    public async Task A_job_that_uses_more_memory_than_it_may_is_out_of_memory()
    {
        var request = Request(Print("before\n"), ExhaustMemory()) with
        {
            Resources = new Resources { Memory = 48 << 20 },
            Timeouts = new Timeouts { Run = TimeSpan.FromMinutes(1), StopGrace = TimeSpan.Zero },
        };
        if (!Can.MemoryLimit)
        {
            await RefusedRequest(request, "resources.memory", ErrorCode.NotSupported);
            return;
        }

        var result = await RunAsync(request);
        result.Reason.Should().Be(TerminationReason.OutOfMemory);
        result.Status.Should().Be(ExecutionStatus.Failed);
        result.Killed.Should().BeTrue();
        result.ExitCode.Should().Be(137);
        result.Error.Should().Contain("48");
        result.Stdout.Text.Should().Be("before\n");
    }

    [Fact]
    public async Task A_job_within_its_memory_limit_is_left_alone()
    {
        if (!Can.MemoryLimit) return;
        var result = await RunAsync(Request(PrintPattern(OutputStream.Stdout, 1_000_000), Exit(5)) with { Resources = new Resources { Memory = 128 << 20 } });
        result.Reason.Should().Be(TerminationReason.Exited);
        result.ExitCode.Should().Be(5);
    }

    [Fact]
    public async Task A_job_cannot_have_more_processes_than_it_may()
    {
        var request = Request(Print("begin\n"), Spawn(60), Print("all of them\n")) with { Resources = new Resources { Pids = 30 } };
        if (!Can.PidsLimit) return;
        var result = await RunAsync(request);
        result.Status.Should().Be(ExecutionStatus.Failed);
        result.Reason.Should().Be(TerminationReason.Exited);
        result.Stdout.Text.Should().Be("begin\n");
    }

    [Fact]
    public async Task A_job_may_have_as_many_processes_as_it_asked_for()
    {
        var result = await RunAsync(Request(Spawn(40), Print("all of them\n")) with { Resources = new Resources { Pids = 100 } });
        result.Stdout.Text.Should().Be("all of them\n");
    }

    [Fact]
    public async Task A_job_cannot_use_more_processor_time_than_it_may()
    {
        var request = Request(Burn()) with { Resources = new Resources { Cpu = 0.25 } };
        if (!Can.CpuLimit)
        {
            await RefusedRequest(request, "resources.cpu", ErrorCode.NotSupported);
            return;
        }

        if (!Can.Stats) return;
        var id = await StartAsync(request);
        ExecutionStats? first = null;
        await foreach (var sample in Executor.GetStatsAsync(id, Token))
        {
            first ??= sample;
            var wall = sample.Timestamp - first.Timestamp;
            if (wall < TimeSpan.FromSeconds(1.5)) continue;
            ((sample.CpuTime - first.CpuTime) / wall).Should().BeLessThan(0.5);
            break;
        }
    }

    [Fact]
    public async Task A_disk_limit_is_honoured_or_refused()
    {
        var request = Request(Exit(0)) with { Resources = new Resources { Disk = 64 << 20 } };
        if (Can.DiskLimit) (await RunAsync(request)).ExitCode.Should().Be(0);
        else await RefusedRequest(request, "resources.disk", ErrorCode.NotSupported);
    }

    [Fact]
    public async Task A_gpu_that_cannot_be_given_is_refused()
    {
        if (Can.Gpus) return;
        await RefusedRequest(Request(Exit(0)) with { Resources = new Resources { Gpus = [new Gpu()] } }, "resources.gpus", ErrorCode.NotSupported);
    }
}
