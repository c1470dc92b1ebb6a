using System.Collections.Concurrent;
using Ergon.Daemon.CrashHost;

namespace Ergon.Client.Tests.Crashing;

/// <summary><c>ergon serve</c> is ended when it writes what makes a change durable, at each of them, and started again over the same data.</summary>
public sealed class ServeCommitTests : IDisposable
{
    private const int EndedByFileSize = 128 + 25;
    private const int AtOneTime = 3;

    private readonly DirectoryInfo _directory = Directory.CreateTempSubdirectory("serve-crash-");

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Ended_by_the_kernel_at_any_commit_of_a_life_cycle_nothing_acknowledged_is_lost()
    {
        var (begin, commits) = await FindCommitsAsync();
        commits.Should().HaveCountGreaterThan(10);
        await Parallel.ForEachAsync(
            commits,
            new ParallelOptions { MaxDegreeOfParallelism = AtOneTime, CancellationToken = Token },
            async (commit, _) =>
            {
                await using var one = ServeCase.Start(_directory, "process");
                await one.ReadyAsync();
                one.Daemon.EndAtFileOffset(one.LogBytes + commit - begin);
                var told = new ConcurrentQueue<string>();
                await using (var client = one.Connect(TimeSpan.Zero))
                {
                    // The rest of the life-cycle has no daemon any more.
                    var error = await Assert.ThrowsAsync<ExecutorException>(() => new Jobs(client, ServeCase.Processes, told.Enqueue).CycleAsync());
                    error.Code.Should().Be(ErrorCode.BackendUnavailable, one.Daemon.Log);
                }

                await one.Daemon.Ended;
                one.Daemon.ExitCode.Should().Be(EndedByFileSize, one.Daemon.Log);
                one.Daemon.Restart();
                await one.CheckAsync(told, $"it was ended when it wrote at {commit}, having told: {string.Join(", ", told)}");
            });
    }

    public void Dispose() => _directory.Delete(recursive: true);

    // A life-cycle that nobody disturbs: where it begins in the log, and where each of its transactions is committed.
    private async Task<(long Begin, IReadOnlyList<long> Commits)> FindCommitsAsync()
    {
        await using var whole = ServeCase.Start(_directory, "process");
        await whole.ReadyAsync();
        var begin = whole.LogBytes;
        var told = new ConcurrentQueue<string>();
        await using (var client = whole.Connect(TimeSpan.Zero)) await new Jobs(client, ServeCase.Processes, told.Enqueue).CycleAsync();
        var commits = await WriteAheadLog.ReadCommitsAsync(whole.Log, Token);
        await whole.CheckAsync(told, "it came to its end");
        return (begin, [.. commits.Where(c => c >= begin)]);
    }
}
