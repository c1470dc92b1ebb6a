using System.Net;
using System.Text.Json;
using Ergon.Daemon.Tests.Service;
using Ergon.Docker;
using Ergon.Docker.Tests;

namespace Ergon.Daemon.Tests.Faults;

/// <summary>A Docker Engine goes away under the executions of a daemon, and comes back.</summary>
public sealed class EngineRestartTests
{
    private const int Jobs = 8;
    private const int Lines = 60;

    // What the Engine has in its memory when it is killed is lost with it: nobody writes then.
    private const string Pause = "[ $i != 10 ] || sleep 8;";
    private static readonly TimeSpan UntilPaused = TimeSpan.FromSeconds(1.5);

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Executions_go_on_with_every_line_and_their_true_end_and_health_follows_the_engine()
    {
        await using var engine = await OwnEngine.StartAsync(Token, "--live-restore");
        await using var daemon = await RunningDaemon.StartAsync(o => o with { Executors = ["docker", "process"], Docker = new DockerOptions { Endpoint = engine.Endpoint } });
        (await ReadyAsync("docker")).Should().BeTrue();
        var results = Enumerable.Range(0, Jobs).Select(i => daemon.SendAsync(HttpMethod.Post, "/v1/executions?wait=true", Job(i))).ToList();
        await daemon.EventuallyAsync(async () =>
            (await daemon.SendAsync(HttpMethod.Get, "/v1/executions?status=running")).Body.GetProperty("executions").GetArrayLength() == Jobs);

        await Task.Delay(UntilPaused, TimeProvider.System, Token);
        await engine.KillAsync(Token);
        await daemon.EventuallyAsync(async () => !await ReadyAsync("docker"));
        (await daemon.SendAsync(HttpMethod.Get, "/readyz")).Status.Should().Be(HttpStatusCode.OK, "local processes can be run");
        (await daemon.SendAsync(HttpMethod.Post, "/v1/executions", Job(Jobs))).Body.GetProperty("code").GetString().Should().Be("backend_unavailable");
        await engine.StartAgainAsync(Token);
        await daemon.EventuallyAsync(() => ReadyAsync("docker"));

        foreach (var (i, (status, result)) in (await Task.WhenAll(results)).Index())
        {
            status.Should().Be(HttpStatusCode.OK, "{0}", result);
            result.GetProperty("exit_code").GetInt32().Should().Be(i);
            result.GetProperty("stdout").GetString().Should().Be(string.Concat(Enumerable.Range(0, Lines).Select(n => $"line {n}\n")));
        }

        (await daemon.SendAsync(HttpMethod.Post, "/v1/executions?wait=true", Job(Jobs, lines: 1))).Status.Should().Be(HttpStatusCode.OK);
        (await daemon.SendAsync(HttpMethod.Post, "/v1/cleanup?executor=docker")).Status.Should().Be(HttpStatusCode.NoContent);

        async Task<bool> ReadyAsync(string executor) => (await daemon.SendAsync(HttpMethod.Get, $"/readyz/{executor}")).Status == HttpStatusCode.OK;
    }

    private static string Job(int number, int lines = Lines) => JsonSerializer.Serialize(new
    {
        job_id = "engine", execution_id = $"e{number}-{lines}",
        engine_spec = new { type = "docker", @params = new { image = "busybox", cmd = new[] { "sh", "-c", $"i=0; while [ $i -lt {lines} ]; do echo line $i; i=$((i+1)); {Pause} sleep 0.05; done; exit {number}" } } },
    });
}
