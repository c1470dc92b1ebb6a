using System.Diagnostics;
using Ergon.Daemon.CrashHost;
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
            await new Acknowledged(executor, acknowledged, because).CheckAsync(Token);
            await executor.CleanupAsync(Token);
        }

        (await store.LoadAsync(one.ExecutorId, Token)).Executions.Should().BeEmpty(because);
        Directory.GetDirectories(Path.Combine(one.Data, one.ExecutorId)).Should().BeEmpty(because);
        (await Containers.ListAsync(one.Endpoint, one.ExecutorId)).Should().BeEmpty(because);
    }

    private sealed record Case(Uri Endpoint, string Data, string ExecutorId);
}
