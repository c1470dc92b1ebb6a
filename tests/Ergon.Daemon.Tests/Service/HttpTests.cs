using System.Net;
using System.Text.Json;

namespace Ergon.Daemon.Tests.Service;

/// <summary>The contract over HTTP.</summary>
public sealed class HttpTests : IAsyncLifetime
{
    private RunningDaemon _daemon = null!;

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    public async ValueTask InitializeAsync() => _daemon = await RunningDaemon.StartAsync();

    public ValueTask DisposeAsync() => _daemon.DisposeAsync();

    [Fact]
    public async Task An_execution_is_started_waited_for_and_removed()
    {
        var (status, info) = await _daemon.SendAsync(HttpMethod.Post, "/v1/executions", RunningDaemon.Script("one", "echo out; echo err >&2; exit 3"));
        status.Should().Be(HttpStatusCode.Created);
        info.GetProperty("execution_id").GetString().Should().Be("one");

        var (_, result) = await _daemon.SendAsync(HttpMethod.Get, "/v1/executions/one/result?timeout=30s");
        result.GetProperty("exit_code").GetInt32().Should().Be(3);
        result.GetProperty("stdout").GetString().Should().Be("out\n");
        (await _daemon.SendAsync(HttpMethod.Delete, "/v1/executions/one")).Status.Should().Be(HttpStatusCode.NoContent);
        (await _daemon.SendAsync(HttpMethod.Get, "/v1/executions/one")).Status.Should().Be(HttpStatusCode.NotFound);
    }

    [Fact]
    public async Task A_request_that_a_go_service_encoded_is_taken_and_its_result_is_answered_the_go_way()
    {
        const string request = """{"JobID":"j","ExecutionID":"go","EngineSpec":{"Type":"process","Params":{"cmd":["/bin/sh","-c","echo hi; exit 4"]}},"PersistLogsDuration":3600000000000}""";
        var (status, result) = await _daemon.SendAsync(HttpMethod.Post, "/v1/executions?wait=true&encoding=go", request);
        status.Should().Be(HttpStatusCode.OK);
        result.EnumerateObject().Select(p => p.Name).Should().Equal("stdout", "stderr", "exit_code", "error_msg", "killed");
        result.GetProperty("stdout").GetString().Should().Be("hi\n");
        result.GetProperty("exit_code").GetInt32().Should().Be(4);
    }

    [Fact]
    public async Task Errors_are_problem_details_with_every_problem()
    {
        using var content = new StringContent(RunningDaemon.Script("bad id", "true", ""","resources":{"cpu":-1},"surplus":1"""));
        using var response = await _daemon.Http.PostAsync("/v1/executions", content, Token);
        response.StatusCode.Should().Be(HttpStatusCode.BadRequest);
        response.Content.Headers.ContentType!.MediaType.Should().Be("application/problem+json");
        using var problem = JsonDocument.Parse(await response.Content.ReadAsStringAsync(Token));
        problem.RootElement.GetProperty("code").GetString().Should().Be("invalid_request");
        problem.RootElement.GetProperty("problems").EnumerateArray().Select(p => p.GetProperty("field").GetString()).Should().Contain(["surplus", "execution_id"]);
    }

    [Fact]
    public async Task A_log_goes_on_after_the_last_event_that_was_seen()
    {
        await _daemon.SendAsync(HttpMethod.Post, "/v1/executions?wait=true", RunningDaemon.Script("log", "echo a; sleep 0.2; echo b; sleep 0.2; echo c"));
        var all = await ReadEventsAsync("/v1/executions/log/logs?follow=true");
        string.Concat(all.Where(e => e.Type == "stdout").Select(e => e.Data.GetProperty("data").GetString())).Should().Be("a\nb\nc\n");
        all[^1].Type.Should().Be("end");

        var rest = await ReadEventsAsync("/v1/executions/log/logs", all[0].Id);
        string.Concat(all.Take(1).Concat(rest).Where(e => e.Type == "stdout").Select(e => e.Data.GetProperty("data").GetString())).Should().Be("a\nb\nc\n");
        (await _daemon.Http.GetStringAsync("/v1/executions/log/logs?stream=stdout", Token)).Should().Be("a\nb\nc\n");
    }

    [Fact]
    public async Task Events_go_on_after_the_last_one_that_was_seen_and_none_is_missing_or_twice()
    {
        await _daemon.SendAsync(HttpMethod.Post, "/v1/executions?wait=true", RunningDaemon.Script("events", "true"));
        await _daemon.SendAsync(HttpMethod.Get, "/v1/executions/events?wait_for=success&timeout=30s");
        var all = await ReadEventsAsync("/v1/events?execution_id=events&after=0");
        all.Select(e => e.Type).Should().Equal("created", "started", "concluded", "end");
        (await ReadEventsAsync("/v1/events?execution_id=events", all[0].Id)).Select(e => e.Type).Should().Equal("started", "concluded", "end");
    }

    [Fact]
    public async Task Lists_come_in_pages()
    {
        foreach (var id in new[] { "p1", "p2", "p3" }) await _daemon.SendAsync(HttpMethod.Post, "/v1/executions?wait=true", RunningDaemon.Script(id, "true", ""","labels":{"page":"yes"}"""));
        List<string?> seen = [];
        var token = "";
        do
        {
            var (_, page) = await _daemon.SendAsync(HttpMethod.Get, $"/v1/executions?label=page%3Dyes&page_size=2&page_token={token}");
            seen.AddRange(page.GetProperty("executions").EnumerateArray().Select(e => e.GetProperty("execution_id").GetString()));
            token = page.GetProperty("next_page_token").GetString();
        }
        while (token is { Length: > 0 });
        seen.Should().Equal("p1", "p2", "p3");
    }

    [Fact]
    public async Task A_start_that_is_repeated_with_its_key_happens_once()
    {
        var body = RunningDaemon.Script("keyed", "echo once", ""","request_key":"k1" """);
        (await _daemon.SendAsync(HttpMethod.Post, "/v1/executions", body)).Status.Should().Be(HttpStatusCode.Created);
        (await _daemon.SendAsync(HttpMethod.Post, "/v1/executions", body)).Status.Should().Be(HttpStatusCode.Created);
        (await _daemon.SendAsync(HttpMethod.Post, "/v1/executions", body.Replace("k1", "k2", StringComparison.Ordinal))).Status.Should().Be(HttpStatusCode.Conflict);
    }

    [Fact]
    public async Task The_document_describes_exactly_the_routes_that_there_are()
    {
        var (_, document) = await _daemon.SendAsync(HttpMethod.Get, "/openapi/v1.json");
        document.GetProperty("openapi").GetString().Should().Be("3.1.0");
        var described = document.GetProperty("paths").EnumerateObject()
            .SelectMany(path => path.Value.EnumerateObject().Select(method => $"{method.Name.ToUpperInvariant()} {path.Name}"));
        var http = new Http.HttpApi(null!, new Http.ExecutionEndpoints(null!), new Http.StreamEndpoints(null!, null!), new Http.AdminEndpoints(null!), null!);
        described.Should().BeEquivalentTo(http.Routes.Select(r => $"{r.Method} {r.Path}"));
        (await _daemon.Http.GetStringAsync("/reference", Token)).Should().Contain("/openapi/v1.json");
    }

    [Fact]
    public async Task Health_is_told()
    {
        (await _daemon.SendAsync(HttpMethod.Get, "/livez")).Status.Should().Be(HttpStatusCode.OK);
        (await _daemon.SendAsync(HttpMethod.Get, "/readyz")).Status.Should().Be(HttpStatusCode.OK);
    }

    private async Task<List<(string? Id, string Type, JsonElement Data)>> ReadEventsAsync(string path, string? lastId = null)
    {
        using var request = new HttpRequestMessage(HttpMethod.Get, path);
        if (lastId is not null) request.Headers.Add("Last-Event-ID", lastId);
        using var response = await _daemon.Http.SendAsync(request, HttpCompletionOption.ResponseHeadersRead, Token);
        response.Content.Headers.ContentType!.MediaType.Should().Be("text/event-stream");
        List<(string?, string, JsonElement)> events = [];
        string? id = null;
        var type = "";
        using var reader = new StreamReader(await response.Content.ReadAsStreamAsync(Token));
        while (await reader.ReadLineAsync(Token) is { } line)
        {
            if (line.StartsWith("id: ", StringComparison.Ordinal)) id = line[4..];
            else if (line.StartsWith("event: ", StringComparison.Ordinal)) type = line[7..];
            else if (line.StartsWith("data: ", StringComparison.Ordinal))
            {
                using var data = JsonDocument.Parse(line[6..]);
                events.Add((id, type, data.RootElement.Clone()));
                id = null;
            }
        }

        return events;
    }
}
