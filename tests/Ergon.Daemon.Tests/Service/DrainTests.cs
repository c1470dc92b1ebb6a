using System.Net;
using System.Text.Json;

namespace Ergon.Daemon.Tests.Service;

/// <summary>A daemon that takes no new executions.</summary>
public sealed class DrainTests : IAsyncLifetime
{
    private RunningDaemon _daemon = null!;

    public async ValueTask InitializeAsync() => _daemon = await RunningDaemon.StartAsync();

    public ValueTask DisposeAsync() => _daemon.DisposeAsync();

    [Fact]
    public async Task New_executions_are_refused_until_it_is_undone_and_those_that_run_go_on()
    {
        await _daemon.SendAsync(HttpMethod.Post, "/v1/executions", RunningDaemon.Script("running", "sleep 1; echo done"));
        var (_, drain) = await _daemon.SendAsync(HttpMethod.Post, "/v1/drain");
        drain.GetProperty("draining").GetBoolean().Should().BeTrue();
        drain.GetProperty("active").GetInt32().Should().Be(1);
        drain.GetProperty("by").GetString().Should().StartWith("uid:");

        var (status, problem) = await StartAsync("new");
        status.Should().Be(HttpStatusCode.TooManyRequests);
        problem.GetProperty("code").GetString().Should().Be("resources_unavailable");
        problem.GetProperty("detail").GetString().Should().Contain("drained").And.Contain("ergon drain --undo");
        (await _daemon.SendAsync(HttpMethod.Get, "/readyz")).Status.Should().Be(HttpStatusCode.ServiceUnavailable);
        (await _daemon.SendAsync(HttpMethod.Get, "/livez")).Status.Should().Be(HttpStatusCode.OK);
        (await _daemon.SendAsync(HttpMethod.Get, "/v1/executions/running/result?timeout=30s")).Body.GetProperty("stdout").GetString().Should().Be("done\n");

        (await _daemon.SendAsync(HttpMethod.Delete, "/v1/drain")).Body.GetProperty("draining").GetBoolean().Should().BeFalse();
        (await StartAsync("new")).Status.Should().Be(HttpStatusCode.OK);
        (await _daemon.SendAsync(HttpMethod.Get, "/readyz")).Status.Should().Be(HttpStatusCode.OK);
    }

    [Fact]
    public async Task It_answers_when_nothing_runs_any_more_or_its_time_is_over()
    {
        await _daemon.SendAsync(HttpMethod.Post, "/v1/executions", RunningDaemon.Script("running", "sleep 1000"));
        (await _daemon.SendAsync(HttpMethod.Post, "/v1/drain?wait=50ms")).Body.GetProperty("active").GetInt32().Should().Be(1);
        var drained = _daemon.SendAsync(HttpMethod.Post, "/v1/drain?wait=30s");
        await _daemon.SendAsync(HttpMethod.Post, "/v1/executions/running/cancel");
        (await drained).Body.GetProperty("active").GetInt32().Should().Be(0);
    }

    [Fact]
    public async Task The_next_daemon_goes_on_with_it()
    {
        var (_, before) = await _daemon.SendAsync(HttpMethod.Post, "/v1/drain");
        await _daemon.RestartAsync();
        var (_, after) = await _daemon.SendAsync(HttpMethod.Get, "/v1/drain");
        after.GetRawText().Should().Be(before.GetRawText());
        (await StartAsync("new")).Status.Should().Be(HttpStatusCode.TooManyRequests);

        await _daemon.SendAsync(HttpMethod.Delete, "/v1/drain");
        await _daemon.RestartAsync();
        (await StartAsync("new")).Status.Should().Be(HttpStatusCode.OK);
    }

    [Fact]
    public async Task Who_repeats_a_start_with_its_key_learns_its_outcome()
    {
        var body = RunningDaemon.Script("keyed", "echo once", ""","request_key":"k" """);
        await _daemon.SendAsync(HttpMethod.Post, "/v1/executions?wait=true", body);
        await _daemon.SendAsync(HttpMethod.Post, "/v1/drain");
        (await _daemon.SendAsync(HttpMethod.Post, "/v1/executions?wait=true", body)).Body.GetProperty("stdout").GetString().Should().Be("once\n");
    }

    private Task<(HttpStatusCode Status, JsonElement Body)> StartAsync(string id) =>
        _daemon.SendAsync(HttpMethod.Post, "/v1/executions?wait=true", RunningDaemon.Script(id, "true"));
}
