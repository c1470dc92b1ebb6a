using Ergon.Firecracker.Tests.Conformance;
using Ergon.MicroVm;
using Ergon.MicroVm.Firecracker;

namespace Ergon.Firecracker.Tests.Launching;

/// <summary>Machines that wait for their job and are given its disks when it comes.</summary>
public sealed class WarmMachineTests(FirecrackerFixture fixture)
{
    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task A_job_in_a_machine_that_waited_has_its_own_disks(bool snapshots)
    {
        Assert.SkipWhen(fixture.SkipReason is not null, fixture.SkipReason ?? "");
        await ShouldHaveItsDisksAsync(fixture.Options with { Snapshots = snapshots });
    }

    [Fact]
    public async Task A_machine_on_another_file_system_gets_copies()
    {
        const string Memory = "/dev/shm";
        Assert.SkipWhen(fixture.SkipReason is not null, fixture.SkipReason ?? "");
        Assert.SkipUnless(Directory.Exists(Memory), "There is no second file system here.");
        var cache = Directory.CreateDirectory(Path.Combine(Memory, $"ergon-{Guid.NewGuid():n}")).FullName;
        try
        {
            await ShouldHaveItsDisksAsync(fixture.Options with { CacheDirectory = cache });
        }
        finally
        {
            Directory.Delete(cache, recursive: true);
        }
    }

    private async Task ShouldHaveItsDisksAsync(FirecrackerOptions options)
    {
        var (input, results) = (fixture.NewDirectory(), fixture.NewDirectory());
        await File.WriteAllTextAsync(Path.Combine(input, "given"), "given\n", Token);
        using var warnings = new Warnings();
        await using var executor = FirecrackerExecutor.Create(
            options with { WarmMachines = new WarmMachineOptions { Always = true } },
            new ExecutorOptions { ExecutorId = $"warm-{Guid.NewGuid():n}", DataDirectory = fixture.NewDirectory() },
            warnings.Factory);
        var result = await executor.RunAsync(
            new ExecutionRequest
            {
                JobId = JobId.Parse("warm"),
                ExecutionId = ExecutionId.New(),
                EngineSpec = new MicroVmSpec
                {
                    Image = fixture.Image,
                    Cmd = ["sh", "-c", "cat /in/given; df -m / | tail -n 1 | awk '{print ($2 > 900)}'; echo made > /out/file; echo err >&2; exit 7"],
                }.ToSpecConfig(FirecrackerExecutor.Type),
                Inputs = [new StorageVolume { Source = input, Target = "/in", ReadOnly = true }],
                Outputs = [new StorageVolume { Source = "made", Target = "/out" }],
                ResultsDir = results,
                Resources = new Resources { Disk = 1L << 30 },
            },
            Token);
        (result.ExitCode, result.Stdout.Text, result.Stderr.Text).Should().Be((7, "given\n1\n", "err\n"));
        (await File.ReadAllTextAsync(Path.Combine(results, "made", "file"), Token)).Should().Be("made\n");
        // Whatever had gone wrong, the job would have had another machine.
        warnings.Texts.Should().BeEmpty();
        (await executor.FingerprintAsync(Token)).Problems.Should().NotContain(p => p.Problem.Contains("ahead of its job"));
        await executor.CleanupAsync(Token);
    }
}
