using System.Net;
using Ergon.Daemon.Tests.Service;
using Ergon.Daemon.Tests.Storage;

namespace Ergon.Daemon.Tests.Faults;

/// <summary>The disk of the data directory is full.</summary>
public sealed class FullDiskTests : IDisposable
{
    private readonly DirectoryInfo _mount = Directory.CreateTempSubdirectory("daemon-disk-");

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    public void Dispose() => _mount.Delete();

    [Fact]
    public async Task It_is_told_and_executions_go_on_and_nothing_acknowledged_is_lost()
    {
        if (!OperatingSystem.IsLinux() || Environment.UserName != "root") Assert.Skip("A small disk is mounted, which takes root on Linux.");
        await using var disk = await SmallDisk.MountAsync(_mount.FullName, "8m");
        await using var daemon = await RunningDaemon.StartAsync(o => o with { DataDirectory = disk.Path });
        await daemon.SendAsync(HttpMethod.Post, "/v1/executions?wait=true", RunningDaemon.Script("before", "echo before"));
        await daemon.SendAsync(HttpMethod.Post, "/v1/executions", RunningDaemon.Script("during", "trap 'echo ended; exit 4' USR1; echo ready; while :; do sleep 0.05; done"));
        await daemon.EventuallyAsync(async () => (await daemon.Http.GetStringAsync("/v1/executions/during/logs?stream=stdout", Token)).Contains("ready", StringComparison.Ordinal));
        var filler = Fill(disk.Path);

        var (status, problem) = await daemon.SendAsync(HttpMethod.Post, "/v1/executions", RunningDaemon.Script("refused", "true"));
        status.Should().Be(HttpStatusCode.InsufficientStorage, "{0}", problem);
        problem.GetProperty("detail").GetString().Should().ContainEquivalentOf("space");
        (await daemon.SendAsync(HttpMethod.Post, "/v1/drain")).Status.Should().Be(HttpStatusCode.InsufficientStorage);
        (await daemon.SendAsync(HttpMethod.Get, "/v1/executions/before/result")).Body.GetProperty("stdout").GetString().Should().Be("before\n");
        (await daemon.SendAsync(HttpMethod.Get, "/livez")).Status.Should().Be(HttpStatusCode.OK);
        (await daemon.SendAsync(HttpMethod.Post, "/v1/executions/during/signal", """{"signal":"SIGUSR1"}""")).Status.Should().Be(HttpStatusCode.NoContent);
        var (_, result) = await daemon.SendAsync(HttpMethod.Get, "/v1/executions/during/result?timeout=30s");
        result.GetProperty("exit_code").GetInt32().Should().Be(4);

        File.Delete(filler);
        await daemon.EventuallyAsync(async () =>
            (await daemon.SendAsync(HttpMethod.Post, "/v1/executions?wait=true", RunningDaemon.Script($"after{Guid.NewGuid():n}", "true"))).Status == HttpStatusCode.OK);
        await daemon.EventuallyAsync(async () => (await daemon.SendAsync(HttpMethod.Get, "/v1/executions/during")).Body.GetProperty("status").GetString() == "failed");
        await daemon.RestartAsync();
        (await daemon.SendAsync(HttpMethod.Get, "/v1/executions/before/result")).Body.GetProperty("stdout").GetString().Should().Be("before\n");
        (await daemon.SendAsync(HttpMethod.Get, "/v1/executions/during/result")).Body.GetProperty("exit_code").GetInt32().Should().Be(4);
        (await daemon.SendAsync(HttpMethod.Get, "/v1/executions/refused")).Status.Should().Be(HttpStatusCode.NotFound);
    }

    // To the last byte.
    private static string Fill(string directory)
    {
        var path = Path.Combine(directory, "filler");
        using var file = new FileStream(path, FileMode.Create, FileAccess.Write, FileShare.None, bufferSize: 0);
        try
        {
            for (var block = new byte[4096]; ;) file.Write(block);
        }
        catch (IOException)
        {
            return path;
        }
    }
}
