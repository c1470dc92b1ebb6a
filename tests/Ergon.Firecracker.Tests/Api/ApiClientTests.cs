using System.Net;
using Ergon.MicroVm.Firecracker;

namespace Ergon.Firecracker.Tests.Api;

/// <summary>The driver's client: Firecracker's own words reach people, and nothing that answers can hang or hurt it.</summary>
public sealed class ApiClientTests
{
    private static readonly TimeSpan Short = TimeSpan.FromMilliseconds(500);

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Fact]
    public async Task A_refusal_tells_what_was_asked_and_why_it_was_refused()
    {
        await using var firecracker = await FirecrackerProcess.StartAsync();
        await firecracker.SendAsync("GET", "/", "");
        using var api = new FirecrackerApi(firecracker.Directory, FirecrackerProcess.ApiName);
        var refused = await Assert.ThrowsAsync<FirecrackerException>(() => ActAsync(api));
        refused.Status.Should().Be(HttpStatusCode.BadRequest);
        refused.Message.Should().Be("Firecracker refuses PUT /actions: Start microvm error: Cannot start microvm without kernel configuration.");
    }

    [Fact]
    public async Task A_body_beyond_what_Firecracker_takes_is_a_refusal_in_its_words()
    {
        await using var firecracker = await FirecrackerProcess.StartAsync();
        await firecracker.SendAsync("GET", "/", "");
        using var api = new FirecrackerApi(firecracker.Directory, FirecrackerProcess.ApiName);
        using var text = System.Text.Json.JsonDocument.Parse($"\"{new string('x', 60_000)}\"");
        var refused = await Assert.ThrowsAnyAsync<IOException>(() => api.PutAsync("/mmds", text.RootElement, FirecrackerJson.Default.JsonElement, Token));
        refused.Message.Should().Contain("larger than the limit");
    }

    [Theory]
    [InlineData("""{"fault_message":"Too bad."}""", "Too bad.")]
    [InlineData("{ \"error\": \"Invalid HTTP Method.\nAll previous unanswered requests will be dropped.\" }", "Invalid HTTP Method. All previous unanswered requests will be dropped.")]
    [InlineData("no json at all", "no json at all")]
    [InlineData("[1]", "[1]")]
    [InlineData("""{"fault_message":7}""", """{"fault_message":7}""")]
    [InlineData("", "it does not say why")]
    public void The_reason_is_found_in_every_shape(string body, string reason) => FirecrackerFault.MessageOf(body).Should().Be(reason);

    [Fact]
    public void A_reason_is_cut_off_and_carries_no_control_sequences()
    {
        FirecrackerFault.MessageOf($$"""{"fault_message":"{{new string('y', 100_000)}}"}""").Length.Should().BeLessThan(1100);
        FirecrackerFault.MessageOf("""{"fault_message":"a\u001b[2Jb"}""").Should().Be("a[2Jb");
    }

    [Fact]
    public async Task An_api_that_never_answers_is_given_up()
    {
        using var hostile = new HostileApi("", closes: false);
        using var api = new FirecrackerApi(hostile.Directory, HostileApi.Name, Short);
        (await Assert.ThrowsAsync<IOException>(() => ActAsync(api))).Message.Should().Contain("did not answer PUT /actions");
        (await hostile.Received.Task).Should().StartWith("PUT /actions HTTP/1.1\r\n").And.NotContain("chunked");
    }

    [Theory]
    [InlineData("HTTP/1.1 204 \r\nX: ", "y")]
    [InlineData("HTTP/1.1 400 \r\nContent-Length: 1000000000\r\n\r\n", "yyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyy")]
    [InlineData("HTTP/1.1 400 \r\nTransfer-Encoding: chunked\r\n\r\n", "4\r\nyyyy\r\n")]
    [InlineData("HTTP/1.1 400 \r\nContent-Length: 10\r\n\r\nabc", null)]
    [InlineData("HTTP/1.1 100 \r\n\r\n", "HTTP/1.1 100 \r\n\r\n")]
    [InlineData("garbage\r\n\r\n", null)]
    [InlineData("", null)]
    public async Task An_api_that_lies_or_never_stops_is_an_error_in_time(string answer, string? endless)
    {
        using var hostile = new HostileApi(answer, endless);
        using var api = new FirecrackerApi(hostile.Directory, HostileApi.Name, TimeSpan.FromSeconds(5));
        await Assert.ThrowsAnyAsync<IOException>(() => ActAsync(api)).WaitAsync(TimeSpan.FromSeconds(30), Token);
    }

    [Fact]
    public async Task A_caller_who_gives_up_is_told_so()
    {
        using var hostile = new HostileApi("", closes: false);
        using var api = new FirecrackerApi(hostile.Directory, HostileApi.Name);
        using var givesUp = new CancellationTokenSource(Short);
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => api.PutAsync("/actions", new ActionBody("InstanceStart"), FirecrackerJson.Default.ActionBody, givesUp.Token));
    }

    private static Task ActAsync(FirecrackerApi api) => api.PutAsync("/actions", new ActionBody("InstanceStart"), FirecrackerJson.Default.ActionBody, Token);
}
