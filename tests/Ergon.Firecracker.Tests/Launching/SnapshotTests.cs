using Ergon.Firecracker.Tests.Conformance;
using Ergon.MicroVm;
using Ergon.MicroVm.Firecracker;

namespace Ergon.Firecracker.Tests.Launching;

/// <summary>Machines that begin with the state of one that has booted: each runs its own job on its own disks, and is like no other.</summary>
public sealed class SnapshotTests(FirecrackerFixture fixture)
{
    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Machines_begin_with_a_state_that_was_kept_and_boot_when_it_is_broken()
    {
        Assert.SkipWhen(fixture.SkipReason is not null, fixture.SkipReason ?? "");
        var cache = fixture.NewDirectory();
        using var warnings = new Warnings();
        await using var executor = FirecrackerExecutor.Create(
            fixture.Options with { Snapshots = true, CacheDirectory = cache },
            new ExecutorOptions { ExecutorId = $"snapshots-{Guid.NewGuid():n}", DataDirectory = fixture.NewDirectory() },
            warnings.Factory);

        var first = await RunAsync(executor, "first");
        warnings.Texts.Should().BeEmpty();
        var state = Directory.GetDirectories(Path.Combine(cache, "snapshots", "firecracker")).Should().ContainSingle().Which;
        var (kept, used) = (WrittenAt(state), Directory.GetLastWriteTimeUtc(state));
        (await RunAsync(executor, "second")).Should().NotBe(first);
        // It was looked for again, and neither removed as broken nor made anew.
        WrittenAt(state).Should().Be(kept);
        Directory.GetLastWriteTimeUtc(state).Should().BeAfter(used);

        File.Delete(Path.Combine(state, "state"));
        await File.WriteAllTextAsync(Path.Combine(state, "state"), "broken", Token);
        await RunAsync(executor, "third");
        Directory.Exists(state).Should().BeFalse();
        await executor.CleanupAsync(Token);
    }

    // Returns what the guest's random generator says.
    private async Task<string> RunAsync(Executor executor, string text)
    {
        var (input, results) = (fixture.NewDirectory(), fixture.NewDirectory());
        await File.WriteAllTextAsync(Path.Combine(input, "given"), text, Token);
        var request = new ExecutionRequest
        {
            JobId = JobId.Parse("snapshots"),
            ExecutionId = ExecutionId.New(),
            EngineSpec = new MicroVmSpec { Image = fixture.Image, Cmd = ["sh", "-c", "cat /in/given > /out/taken; cat /proc/sys/kernel/random/uuid; exit 7"] }.ToSpecConfig(FirecrackerExecutor.Type),
            Inputs = [new StorageVolume { Source = input, Target = "/in", ReadOnly = true }],
            Outputs = [new StorageVolume { Source = "out", Target = "/out" }],
            ResultsDir = results,
        };
        var result = await executor.RunAsync(request, Token);
        (result.ExitCode, result.Stderr.Text).Should().Be((7, ""));
        (await File.ReadAllTextAsync(Path.Combine(results, "out", "taken"), Token)).Should().Be(text);
        return result.Stdout.Text;
    }

    private static DateTime WrittenAt(string state) => File.GetLastWriteTimeUtc(Path.Combine(state, "memory"));
}
