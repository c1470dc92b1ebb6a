using System.Collections.Concurrent;
using Ergon.Daemon;
using Ergon.Daemon.CrashHost;
using Ergon.Daemon.Tests.Crashing;
using Ergon.Process;
using Ergon.Process.Tests;

namespace Ergon.Client.Tests.Crashing;

/// <summary>
/// <c>ergon serve</c> is killed in the middle of its work and started again over the same data: every execution that a client was told of is
/// there, ends as its job really ended, has every line once, and nothing else is left.
/// </summary>
public sealed class ServeCrashTests : IDisposable
{
    private const string DockerVariable = "ERGON_TEST_DOCKER_HOST";
    private const int EndedByFileSize = 128 + 25;
    private const int AtOneTime = 3;
    private const int Kills = 4;
    private const int Executions = 120;

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
                await using var one = Start("process");
                await one.ReadyAsync();
                one.Daemon.EndAtFileOffset(one.LogBytes + commit - begin);
                var told = new ConcurrentQueue<string>();
                await using (var client = one.Connect(TimeSpan.Zero))
                {
                    // The rest of the life-cycle has no daemon any more.
                    var error = await Assert.ThrowsAsync<ExecutorException>(() => new Jobs(client, Processes, told.Enqueue).CycleAsync());
                    error.Code.Should().Be(ErrorCode.BackendUnavailable, one.Daemon.Log);
                }

                await one.Daemon.Ended;
                one.Daemon.ExitCode.Should().Be(EndedByFileSize, one.Daemon.Log);
                one.Daemon.Restart();
                await one.CheckAsync(told, $"it was ended when it wrote at {commit}, having told: {string.Join(", ", told)}");
            });
    }

    [Theory]
    [InlineData("process")]
    [InlineData("docker")]
    public async Task Killed_at_random_moments_under_load_its_clients_see_every_job_through(string executor)
    {
        await using var one = Start(executor);
        await one.ReadyAsync();
        var told = new ConcurrentQueue<string>();
        await using var client = one.Connect(TimeSpan.FromSeconds(30));
        var load = new Jobs(client, executor == "docker" ? Containers.Request : Processes, told.Enqueue).LoadAsync(0, Executions);
        var random = new Random(11);
        for (var kill = 0; kill < Kills; kill++)
        {
            await one.ReadyAsync();
            await Task.Delay(TimeSpan.FromMilliseconds(random.Next(50, 700)), TimeProvider.System, Token);
            load.IsCompleted.Should().BeFalse("it is to be killed under load");
            await one.Daemon.KillAsync();
            one.Daemon.Restart();
        }

        await load;
        told.Count(t => t.StartsWith("concluded ", StringComparison.Ordinal)).Should().Be(Executions);
        await one.CheckAsync(told, "killed at random moments");
    }

    public void Dispose() => _directory.Delete(recursive: true);

    // A life-cycle that nobody disturbs: where it begins in the log, and where each of its transactions is committed.
    private async Task<(long Begin, IReadOnlyList<long> Commits)> FindCommitsAsync()
    {
        await using var whole = Start("process");
        await whole.ReadyAsync();
        var begin = whole.LogBytes;
        var told = new ConcurrentQueue<string>();
        await using (var client = whole.Connect(TimeSpan.Zero)) await new Jobs(client, Processes, told.Enqueue).CycleAsync();
        var commits = await WriteAheadLog.ReadCommitsAsync(whole.Log, Token);
        await whole.CheckAsync(told, "it came to its end");
        return (begin, [.. commits.Where(c => c >= begin)]);
    }

    private static ExecutionRequest Processes(string id, string script) => new()
    {
        JobId = JobId.Parse("crashing"),
        ExecutionId = ExecutionId.Parse(id),
        EngineSpec = new ProcessSpec { Cmd = ["/bin/sh", "-c", script] }.ToSpecConfig(),
        RequestKey = id,
    };

    private Case Start(string executor)
    {
        var endpoint = Environment.GetEnvironmentVariable(DockerVariable) is { Length: > 0 } given ? new Uri(given) : null;
        Assert.SkipWhen(executor == "docker" && endpoint is null, $"There is no Docker Engine: {DockerVariable} is not set.");
        var directory = _directory.CreateSubdirectory(Guid.NewGuid().ToString("n")[..8]).FullName;
        var id = $"serve-crash-{Guid.NewGuid():n}";
        var daemon = DaemonProcess.Start(directory, new DaemonFile
        {
            Data = Path.Combine(directory, "data"),
            Executors = [executor],
            ExecutorIds = new Dictionary<string, string> { [executor] = id },
            Docker = new DockerFile { Host = endpoint },
        });
        return new Case(daemon, executor, id, Path.Combine(directory, "data"), endpoint);
    }

    private sealed record Case(DaemonProcess Daemon, string Executor, string ExecutorId, string Data, Uri? Endpoint) : IAsyncDisposable
    {
        public string Log => Path.Combine(Data, "executions.db-wal");

        public long LogBytes => new FileInfo(Log).Length;

        public RemoteExecutor Connect(TimeSpan reconnectTimeout) =>
            new(new RemoteExecutorOptions { Address = Daemon.Address, Executor = Executor, ReconnectTimeout = reconnectTimeout });

        public async Task ReadyAsync()
        {
            await using var client = Connect(TimeSpan.FromSeconds(30));
            Assert.SkipUnless((await client.FingerprintAsync(Token)).Capabilities.Recovery, "Jobs end with the daemon here.");
        }

        public async Task CheckAsync(IReadOnlyCollection<string> told, string because)
        {
            await using var client = Connect(TimeSpan.FromSeconds(30));
            await new Acknowledged(client, told, because).CheckAsync(Token);
            await client.CleanupAsync(Token);
            (await client.ListAsync(null, Token)).Should().BeEmpty(because);
            Directory.GetDirectories(Path.Combine(Data, ExecutorId)).Should().BeEmpty(because);
            if (Executor == "process") HostView.Leftovers([ExecutorId]).Should().BeEmpty(because);
            else (await Containers.ListAsync(Endpoint!, ExecutorId)).Should().BeEmpty(because);
        }

        public ValueTask DisposeAsync() => Daemon.DisposeAsync();
    }
}
