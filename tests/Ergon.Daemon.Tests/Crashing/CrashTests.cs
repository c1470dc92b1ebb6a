using System.Diagnostics;
using System.Text;
using Ergon.Conformance;
using Ergon.Daemon.Storage;
using Ergon.Docker;

namespace Ergon.Daemon.Tests.Crashing;

/// <summary>
/// A process is killed in the middle of its work, and another one takes over: every execution that was acknowledged is there, ends as
/// its job really ended, has every line once, and nothing else is left.
/// </summary>
public sealed class CrashTests : IDisposable
{
    private const string Variable = "ERGON_TEST_DOCKER_HOST";
    private const int Lives = 4;
    private const int AtOneTime = 4;

    private readonly DirectoryInfo _directory = Directory.CreateTempSubdirectory("ergon-crash-");
    private readonly CancellationTokenSource _deadline = new(TimeSpan.FromMinutes(8));

    private CancellationToken Token => _deadline.Token;

    [Theory]
    [InlineData("before")]
    [InlineData("after")]
    public async Task Killed_at_any_change_that_is_stored_nothing_acknowledged_is_lost(string moment)
    {
        var endpoint = Endpoint();
        var undisturbed = new Case(endpoint, NewDirectory(), $"crash-{Guid.NewGuid():n}");
        var whole = await RunAsync(undisturbed, "cycle", "0", moment);
        await TakeOverAsync(undisturbed, whole, "it came to its end");
        var changes = int.Parse(whole.Single(a => a.StartsWith("changes ", StringComparison.Ordinal))["changes ".Length..]);
        changes.Should().BeGreaterThan(15);
        await Parallel.ForEachAsync(
            Enumerable.Range(1, changes),
            new ParallelOptions { MaxDegreeOfParallelism = AtOneTime, CancellationToken = Token },
            async (n, _) =>
            {
                var one = new Case(endpoint, NewDirectory(), $"crash-{Guid.NewGuid():n}");
                var acknowledged = await RunAsync(one, "cycle", $"{n}", moment);
                acknowledged.Should().NotContain(a => a.StartsWith("changes ", StringComparison.Ordinal), "it was killed at change {0}", n);
                await TakeOverAsync(one, acknowledged, $"killed {moment} change {n}, having told: {string.Join(", ", acknowledged)}");
            });
    }

    [Fact]
    public async Task Killed_at_random_moments_under_load_again_and_again_nothing_acknowledged_is_lost()
    {
        var one = new Case(Endpoint(), NewDirectory(), $"crash-{Guid.NewGuid():n}");
        var random = new Random(11);
        var acknowledged = new List<string>();
        for (var life = 0; life < Lives; life++)
            acknowledged.AddRange(await RunAsync(one, "load", $"{life * 100}", "40", killAfter: random.Next(3, 12)));
        acknowledged.Should().Contain(a => a.StartsWith("concluded", StringComparison.Ordinal));
        await TakeOverAsync(one, acknowledged, "killed at random moments");
    }

    public void Dispose()
    {
        _directory.Delete(recursive: true);
        _deadline.Dispose();
    }

    private static Uri Endpoint()
    {
        var given = Environment.GetEnvironmentVariable(Variable);
        Assert.SkipWhen(string.IsNullOrEmpty(given), $"There is no Docker Engine: {Variable} is not set.");
        return new Uri(given);
    }

    private string NewDirectory() => _directory.CreateSubdirectory(Guid.NewGuid().ToString("n")).FullName;

    // Runs the process to its end, or kills it once it has told so many things; returns what it told.
    private async Task<List<string>> RunAsync(Case one, string what, string first, string second, int killAfter = int.MaxValue)
    {
        using var process = System.Diagnostics.Process.Start(new ProcessStartInfo(Path.Combine(AppContext.BaseDirectory, "Ergon.Daemon.CrashHost"))
        {
            ArgumentList = { one.Endpoint.ToString(), one.ExecutorId, one.Data, what, first, second },
            UseShellExecute = false,
            RedirectStandardOutput = true,
        })!;
        List<string> told = [];
        try
        {
            while (await process.StandardOutput.ReadLineAsync(Token) is { } line)
            {
                told.Add(line);
                if (told.Count == killAfter) process.Kill();
            }
        }
        finally
        {
            if (!process.HasExited) process.Kill();
            await process.WaitForExitAsync(CancellationToken.None);
        }

        return told;
    }

    private async Task TakeOverAsync(Case one, List<string> acknowledged, string because)
    {
        await using var store = await SqliteExecutionStore.OpenAsync(new SqliteStoreOptions { Path = Path.Combine(one.Data, "ergon.db") }, cancellationToken: Token);
        var executor = DockerExecutor.Create(
            new DockerOptions { Endpoint = one.Endpoint }, new ExecutorOptions { ExecutorId = one.ExecutorId, DataDirectory = one.Data, Store = store });
        await using (executor)
        {
            await executor.RecoverAsync(Token);
            await CheckAsync(executor, acknowledged, because);
            await CheckEventsAsync(executor, because);
            await executor.CleanupAsync(Token);
        }

        (await store.LoadAsync(one.ExecutorId, Token)).Executions.Should().BeEmpty(because);
        Directory.GetDirectories(Path.Combine(one.Data, one.ExecutorId)).Should().BeEmpty(because);
        (await ContainersAsync(one)).Should().BeEmpty(because);
    }

    private async Task CheckAsync(Executor executor, List<string> acknowledged, string because)
    {
        var known = await executor.ListAsync(null, Token);
        foreach (var words in acknowledged.Select(a => a.Split(' ')).Where(w => w[0] == "started"))
            if (!acknowledged.Contains($"removing {words[1]}")) known.Should().Contain(i => i.ExecutionId.Value == words[1], because);

        CheckStatus(known, acknowledged, because);
        foreach (var info in known)
        {
            await FinishAsync(executor, info);
            var result = await executor.WaitAsync(info.ExecutionId, Token);
            var (reason, exitCode, stdout, stderr) = Truth(info.ExecutionId.Value);
            result.Reason.Should().Be(reason, because);
            result.ExitCode.Should().Be(exitCode, because);
            Encoding.UTF8.GetString(await executor.ReadLogAsync(new() { ExecutionId = info.ExecutionId }, OutputStream.Stdout, Token)).Should().Be(stdout, because);
            Encoding.UTF8.GetString(await executor.ReadLogAsync(new() { ExecutionId = info.ExecutionId }, OutputStream.Stderr, Token)).Should().Be(stderr, because);
            result.Stdout.Text.Should().Be(stdout, because);
            foreach (var told in acknowledged.Where(a => a.StartsWith($"concluded {info.ExecutionId} ", StringComparison.Ordinal)))
                told.Should().Be($"concluded {info.ExecutionId} {result.Reason} {result.ExitCode}", because);
        }
    }

    // What was told last may be followed by one change that was stored and not told any more.
    private static void CheckStatus(IReadOnlyList<ExecutionInfo> known, List<string> acknowledged, string because)
    {
        if (acknowledged.Contains("paused counting") && !acknowledged.Contains("resumed counting"))
            known.Single(i => i.ExecutionId.Value == "counting").Status.Should().BeOneOf([ExecutionStatus.Paused, ExecutionStatus.Running], because);
        foreach (var concluded in acknowledged.Select(a => a.Split(' ')).Where(w => w[0] == "concluded"))
            known.Where(i => i.ExecutionId.Value == concluded[1]).Should().OnlyContain(i => i.IsTerminal, because);
        known.Should().NotContain(i => acknowledged.Contains($"removed {i.ExecutionId}"), because);
        known.Should().NotContain(i => i.ExecutionId.Value == "failing", because);
    }

    private async Task FinishAsync(Executor executor, ExecutionInfo info)
    {
        try
        {
            if (info.Status == ExecutionStatus.Paused) await executor.ResumeAsync(info.ExecutionId, Token);
            if (info.ExecutionId.Value != "stoppable" || info.IsTerminal) return;
            await executor.WaitForOutputAsync(info.ExecutionId, "ready\n", Token);
            await executor.CancelAsync(info.ExecutionId, Token);
        }
        catch (ExecutorException e) when (e.Code == ErrorCode.ExecutionAlreadyConcluded)
        {
            // The former process had begun to cancel it, or had resumed it and it came to its end.
        }
    }

    private static (TerminationReason Reason, int ExitCode, string Stdout, string Stderr) Truth(string id)
    {
        if (id == "stoppable") return (TerminationReason.Cancelled, 0, "ready\nstopping\n", "");
        if (!id.StartsWith("load-", StringComparison.Ordinal)) return (TerminationReason.Exited, 7, Lines("out", 20), Lines("err", 20));
        var i = int.Parse(id["load-".Length..]);
        return (TerminationReason.Exited, i % 5, Lines($"out {i}", 10), Lines($"err {i}", 10));
    }

    private static string Lines(string prefix, int count) => string.Concat(Enumerable.Range(0, count).Select(i => $"{prefix} {i}\n"));

    private async Task CheckEventsAsync(Executor executor, string because)
    {
        List<ExecutionEvent> events = [];
        await using var watch = executor.WatchAsync(new WatchRequest { After = 0 }, Token).GetAsyncEnumerator(Token);
        var ended = (await executor.ListAsync(null, Token)).ToDictionary(i => i.ExecutionId);
        while (ended.Count > 0 && await watch.MoveNextAsync())
        {
            events.Add(watch.Current);
            if (watch.Current.Type == ExecutionEventType.Concluded) ended.Remove(watch.Current.Info.ExecutionId);
        }

        events.Select(e => e.Sequence).Should().BeInAscendingOrder(because).And.OnlyHaveUniqueItems(because);
        foreach (var one in events.GroupBy(e => (e.Info.ExecutionId, e.Info.CreatedAt)))
        {
            one.First().Type.Should().Be(ExecutionEventType.Created, because);
            one.Count(e => e.Type == ExecutionEventType.Concluded).Should().BeLessThan(2, because);
            one.Count(e => e.Type == ExecutionEventType.Started).Should().BeLessThan(2, because);
        }
    }

    private static async Task<string> ContainersAsync(Case one)
    {
        using var client = new HttpClient(new SocketsHttpHandler
        {
            ConnectCallback = async (_, token) =>
            {
                var socket = new System.Net.Sockets.Socket(System.Net.Sockets.AddressFamily.Unix, System.Net.Sockets.SocketType.Stream, System.Net.Sockets.ProtocolType.Unspecified);
                await socket.ConnectAsync(new System.Net.Sockets.UnixDomainSocketEndPoint(one.Endpoint.AbsolutePath), token);
                return new System.Net.Sockets.NetworkStream(socket, ownsSocket: true);
            },
        });
        var filter = Uri.EscapeDataString($$"""{"name":["{{one.ExecutorId}}"]}""");
        var containers = await client.GetStringAsync($"http://engine/containers/json?all=1&filters={filter}");
        return containers.Trim() == "[]" ? "" : containers;
    }

    private sealed record Case(Uri Endpoint, string Data, string ExecutorId);
}
