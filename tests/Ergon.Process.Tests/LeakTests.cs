using Ergon.Linux;

namespace Ergon.Process.Tests;

/// <summary>Tests that count what this process has: no other test may run at the same time.</summary>
[CollectionDefinition(nameof(CountingCollection), DisableParallelization = true)]
public sealed class CountingCollection;

/// <summary>Whatever way an execution ends, this process has no more than before.</summary>
[Collection(nameof(CountingCollection))]
public sealed class LeakTests : ProcessTests
{
    public LeakTests() => SkipWithoutRoot();

    // What the runtime and the test platform open for themselves meanwhile; a leak of any kind of run shows 25 times in a hundred.
    private const int Others = 8;

    [Fact]
    public async Task A_hundred_runs_leave_no_descriptor_thread_or_process_behind()
    {
        await RunManyAsync(10);
        var before = await CountAsync(int.MaxValue, int.MaxValue);
        await RunManyAsync(100);
        var after = await CountAsync(before.Descriptors + Others, before.Children);
        after.Descriptors.Should().BeLessThanOrEqualTo(before.Descriptors + Others);
        after.Launchers.Should().Be(0);
        after.Children.Should().BeLessThanOrEqualTo(before.Children);
    }

    private async Task RunManyAsync(int count)
    {
        for (var i = 0; i < count; i++)
        {
            var request = (i % 4) switch
            {
                0 => Script("echo x; sleep 1000 &"),
                1 => Request("/nowhere/command"),
                2 => Script("exit 3") with { ProvisionScripts = [new ProvisionScript { Name = "fails", Content = "exit 1"u8.ToArray() }] },
                _ => Request(new ProcessSpec { Cmd = ["true"], WorkingDirectory = "/nowhere" }),
            };
            if (i % 4 == 3) await Assert.ThrowsAsync<ExecutorException>(() => RunAsync(request));
            else await RunAsync(request);
            if (i % 4 != 3) await Executor.RemoveAsync(request.ExecutionId, TimeSpan.FromSeconds(30), Token);
        }
    }

    // A launching thread tells that it is done just before it ends, so it may be seen for a moment.
    private static async Task<(int Descriptors, int Launchers, int Children)> CountAsync(int descriptors, int children)
    {
        var count = (Descriptors: 0, Launchers: 0, Children: 0);
        for (var attempt = 0; attempt < 200; attempt++)
        {
            var threads = Directory.GetDirectories("/proc/self/task").Select(t => CgroupText.Read(t + "/comm")?.Trim()).ToList();
            count = (Directory.GetFileSystemEntries("/proc/self/fd").Length, threads.Count(t => t == "ergon-launch"), ProcessTable.ReadAll().Count(p => p.ParentId == Environment.ProcessId));
            if (count.Descriptors <= descriptors && count.Launchers == 0 && count.Children <= children) break;
            await Task.Delay(50, Token);
        }

        return count;
    }
}
