using System.Text.Json;

namespace Ergon.Firecracker.Tests.Api;

/// <summary>What the driver relies on of Firecracker's API. It holds for a real one as it does for the stand-in, which is thereby checked.</summary>
public sealed class ContractTests : IAsyncLifetime
{
    private const string BodyError = "An error occurred when deserializing the json body of a request: ";
    private FirecrackerProcess _firecracker = null!;

    public async ValueTask InitializeAsync() => _firecracker = await FirecrackerProcess.StartAsync();

    public async ValueTask DisposeAsync() => await _firecracker.DisposeAsync();

    [Fact]
    public async Task It_tells_who_it_is_and_that_nothing_runs()
    {
        var answer = await _firecracker.SendAsync("GET", "/", "");
        answer.Status.Should().Be(200);
        using var json = JsonDocument.Parse(answer.Body);
        json.RootElement.GetProperty("id").GetString().Should().Be("demo-1");
        json.RootElement.GetProperty("state").GetString().Should().Be("Not started");
        json.RootElement.GetProperty("app_name").GetString().Should().Be("Firecracker");
    }

    [Fact]
    public async Task What_is_done_has_neither_a_reason_phrase_nor_a_length()
    {
        var answer = await _firecracker.SendAsync("PUT", "/machine-config", """{"vcpu_count":2,"mem_size_mib":256}""");
        answer.Head.Should().StartWith("HTTP/1.1 204 \r\n").And.NotContain("Content-Length");
        (await _firecracker.SendAsync("GET", "/machine-config", "")).Body.Should().Contain("\"vcpu_count\":2").And.Contain("\"mem_size_mib\":256").And.Contain("\"smt\":false");
    }

    [Theory]
    [InlineData("PUT", "/machine-config", """{"vcpu_count":1}""", BodyError + "missing field `mem_size_mib` at line 1 column 16.")]
    [InlineData("PUT", "/machine-config", """{"vcpu_count":0,"mem_size_mib":128}""", "Machine config error: The number of vCPUs must be greater than 0, less than 32 and must be 1 or an even number if SMT is enabled.")]
    [InlineData("PUT", "/machine-config", """{"vcpu_count":33,"mem_size_mib":128}""", "Machine config error: The number of vCPUs must be greater than 0, less than 32 and must be 1 or an even number if SMT is enabled.")]
    [InlineData("PUT", "/boot-source", """{"kernel_image_path":"/nonexistent"}""", "Boot source error: The kernel file cannot be opened: No such file or directory (os error 2)")]
    [InlineData("PUT", "/drives/a", """{"drive_id":"b","is_root_device":false,"path_on_host":"/x"}""", "The id from the path does not match the id from the body!")]
    [InlineData("PUT", "/actions", """{"action_type":"InstanceStart"}""", "Start microvm error: Cannot start microvm without kernel configuration.")]
    [InlineData("PUT", "/actions", """{"action_type":"SendCtrlAltDel"}""", "The requested operation is not supported before starting the microVM.")]
    [InlineData("PATCH", "/vm", """{"state":"Paused"}""", "The requested operation is not supported before starting the microVM.")]
    [InlineData("PATCH", "/drives/a", """{"drive_id":"a","path_on_host":"/x"}""", "The requested operation is not supported before starting the microVM.")]
    [InlineData("PATCH", "/drives/a", """{"drive_id":"b","path_on_host":"/x"}""", "The id from the path does not match the id from the body!")]
    [InlineData("GET", "/nosuch", "", "Invalid request method and/or path: GET nosuch.")]
    [InlineData("PUT", "/machine-config", "", "Empty PUT request.")]
    [InlineData("PATCH", "/machine-config", "{}", "Empty PATCH request.")]
    public async Task What_is_wrong_is_refused_with_a_reason(string method, string path, string body, string reason)
    {
        var answer = await _firecracker.SendAsync(method, path, body);
        answer.Status.Should().Be(400);
        FaultOf(answer).Should().Be(reason);
    }

    [Fact]
    public async Task A_drive_that_is_not_there_is_refused_when_it_is_configured()
    {
        var answer = await _firecracker.SendAsync("PUT", "/drives/a", """{"drive_id":"a","is_root_device":false,"path_on_host":"/nonexistent.img"}""");
        answer.Status.Should().Be(400);
        FaultOf(answer).Should().StartWith("Drive config error: Unable to create the virtio block device").And.Contain("No such file or directory (os error 2)").And.EndWith("/nonexistent.img");
    }

    [Fact]
    public async Task A_member_that_it_does_not_know_is_refused_and_so_is_another_kind_of_value()
    {
        FaultOf(await _firecracker.SendAsync("PUT", "/boot-source", """{"kernel_image_path":"/x","kernel":"/y"}""")).Should()
            .StartWith(BodyError + "unknown field `kernel`, expected one of `kernel_image_path`, `initrd_path`, `boot_args` at line 1 column ");
        (await _firecracker.SendAsync("PUT", "/machine-config", """{"vcpu_count":"1","mem_size_mib":128}""")).Status.Should().Be(400);
        (await _firecracker.SendAsync("PUT", "/machine-config", "{")).Status.Should().Be(400);
    }

    [Theory]
    [InlineData(63, "Unable to read elf header")]
    [InlineData(64, "Invalid Elf magic number")]
    public async Task A_kernel_that_is_no_elf_file_is_refused_at_the_start_and_it_goes_on(int length, string reason)
    {
        await File.WriteAllTextAsync(Path.Combine(_firecracker.Directory, "kernel"), new string('k', length), TestContext.Current.CancellationToken);
        (await _firecracker.SendAsync("PUT", "/boot-source", """{"kernel_image_path":"kernel"}""")).Status.Should().Be(204);
        FaultOf(await _firecracker.SendAsync("PUT", "/actions", """{"action_type":"InstanceStart"}""")).Should().EndWith(reason);
        (await _firecracker.SendAsync("GET", "/", "")).Body.Should().Contain("Not started");
    }

    [Fact]
    public async Task Metrics_are_set_up_once()
    {
        await File.WriteAllTextAsync(Path.Combine(_firecracker.Directory, "metrics"), "", TestContext.Current.CancellationToken);
        (await _firecracker.SendAsync("PUT", "/metrics", """{"metrics_path":"metrics"}""")).Status.Should().Be(204);
        FaultOf(await _firecracker.SendAsync("PUT", "/metrics", """{"metrics_path":"metrics"}""")).Should().EndWith("Reinitialization of metrics not allowed.");
    }

    [Fact]
    public async Task What_is_deprecated_is_done_and_said_to_be_so()
    {
        (await _firecracker.SendAsync("PUT", "/vsock", """{"vsock_id":"v","guest_cid":3,"uds_path":"v.sock"}""")).Head.Should().Contain("Deprecation: true");
    }

    [Theory]
    [InlineData("POST / HTTP/1.1\r\nContent-Length: 2\r\n\r\n{}", "Invalid HTTP Method: Unsupported HTTP method.")]
    [InlineData("PUT /mmds HTTP/1.1\r\nContent-Length: 51201\r\n\r\n{}", "Request payload with size 51201 is larger than the limit of 51200 allowed by server.")]
    [InlineData("PUT /mmds HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n", "")]
    public async Task What_is_not_even_a_request_is_refused_with_a_raw_line_break_in_a_text(string request, string reason)
    {
        var answer = await _firecracker.SendAsync(request);
        answer.Status.Should().Be(400);
        answer.Body.Should().StartWith($"{{ \"error\": \"{reason}").And.Contain("\nAll previous unanswered requests will be dropped.\" }");
        ((Action)(() => JsonDocument.Parse(answer.Body))).Should().Throw<JsonException>();
    }

    [Fact]
    public async Task One_connection_carries_many_requests_and_waits_are_answered()
    {
        const string Get = "GET /version HTTP/1.1\r\n\r\n";
        (await _firecracker.SendAsync(Get + Get)).Status.Should().Be(200);
        (await _firecracker.SendAsync("PUT /mmds HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n{}")).Status.Should().Be(100);
    }

    [Fact]
    public async Task It_does_not_take_the_place_of_a_socket_that_is_there_and_leaves_its_own_behind()
    {
        var (code, _) = await FirecrackerProcess.RunAsync(_firecracker.Directory, "--api-sock", FirecrackerProcess.ApiName);
        code.Should().Be(1);
        File.Exists(Path.Combine(_firecracker.Directory, FirecrackerProcess.ApiName)).Should().BeTrue();
    }

    [Theory]
    [InlineData(153, "--no-such-argument")]
    [InlineData(153, "--api-sock")]
    [InlineData(134, "--id", "not/an/id")]
    public async Task It_ends_with_a_code_of_its_own_for_each_kind_of_mistake(int code, params string[] arguments)
    {
        (await FirecrackerProcess.RunAsync(_firecracker.Directory, arguments)).ExitCode.Should().Be(code);
    }

    private static string? FaultOf(RawAnswer answer)
    {
        using var json = JsonDocument.Parse(answer.Body);
        return json.RootElement.GetProperty("fault_message").GetString();
    }
}
