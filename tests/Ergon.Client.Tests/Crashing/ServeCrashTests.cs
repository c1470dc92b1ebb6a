using System.Collections.Concurrent;
using Ergon.Daemon.CrashHost;

namespace Ergon.Client.Tests.Crashing;

/// <summary>
/// <c>ergon serve</c> is killed in the middle of its work and started again over the same data: every execution that a client was told of is
/// there, ends as its job really ended, has every line once, and nothing else is left.
/// </summary>
public sealed class ServeCrashTests : IDisposable
{
    private const int Kills = 4;
    private const int Executions = 120;

    private readonly DirectoryInfo _directory = Directory.CreateTempSubdirectory("serve-crash-");

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Theory]
    [InlineData("process")]
    [InlineData("docker")]
    public async Task Killed_at_random_moments_under_load_its_clients_see_every_job_through(string executor)
    {
        await using var one = ServeCase.Start(_directory, executor);
        await one.ReadyAsync();
        var told = new ConcurrentQueue<string>();
        await using var client = one.Connect(TimeSpan.FromSeconds(30));
        var load = new Jobs(client, executor == "docker" ? Containers.Request : ServeCase.Processes, told.Enqueue).LoadAsync(0, Executions);
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
}
