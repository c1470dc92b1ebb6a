namespace Ergon.Process.Tests;

/// <summary>What the operator's settings allow and refuse.</summary>
public sealed class PolicyTests : ProcessTests
{
    private protected override ProcessOptions Options => new() { AllowedUsers = ["daemon"] };

    [Fact]
    public async Task Everything_that_is_forbidden_or_impossible_is_told_at_once()
    {
        var request = Request(new ProcessSpec { Cmd = ["true"], User = "root", WorkingDirectory = "relative", Hostname = "not a name" }) with
        {
            Network = new NetworkSpec { Mode = NetworkMode.Host, GatewayIp = "10.0.0.1", Dns = ["10.0.0.2"] },
            Resources = new Resources { Gpus = [new Gpu()] },
        };
        var error = await Assert.ThrowsAsync<ExecutorException>(() => RunAsync(request));
        error.Problems.Select(p => p.Field).Should().BeEquivalentTo(
            "engine_spec.params.working_directory", "engine_spec.params.hostname", "engine_spec.params.user", "resources.gpus", "network.mode",
            "network.gateway_ip", "network.dns");
    }

    [Fact]
    public async Task Ports_need_the_hosts_network_and_equal_numbers()
    {
        var bridge = await Assert.ThrowsAsync<ExecutorException>(() => RunAsync(Request("true") with { Network = new NetworkSpec { Ports = [new PortMapping { ExecutorPort = 80 }] } }));
        bridge.Problems.Should().ContainSingle().Which.Should().Match<RequestProblem>(p => p.Field == "network.ports" && p.Kind == RequestProblemKind.NotSupported);
        await using var open = ProcessExecutor.Create(new ProcessOptions { AllowHostNetwork = true }, new ExecutorOptions { DataDirectory = NewDirectory() });
        var different = Request("true") with { Network = new NetworkSpec { Mode = NetworkMode.Host, Ports = [new PortMapping { HostPort = 81, ExecutorPort = 80 }] } };
        (await Assert.ThrowsAsync<ExecutorException>(() => open.RunAsync(different, Token))).Problems.Should().ContainSingle().Which.Field.Should().Be("network.ports[0].host_port");
    }

    [Fact]
    public async Task A_user_that_is_allowed_runs_the_job()
    {
        SkipWithoutRoot();
        (await OutputAsync(Request(new ProcessSpec { Cmd = ["id", "-un"], User = "daemon" }))).Should().Be("daemon\n");
    }

    [Fact]
    public async Task An_unknown_parameter_is_refused_with_the_nearest_name()
    {
        var spec = new ProcessSpec { Cmd = ["true"] }.ToSpecConfig();
        var parameters = new Dictionary<string, System.Text.Json.JsonElement>(spec.Params) { ["working_dir"] = spec.Params["cmd"] };
        var error = await Assert.ThrowsAsync<ExecutorException>(() => RunAsync(Request("true") with { EngineSpec = spec with { Params = parameters } }));
        error.Message.Should().Contain("working_directory");
    }

    [Fact]
    public async Task A_working_directory_that_does_not_exist_is_refused()
    {
        var error = await Assert.ThrowsAsync<ExecutorException>(() => RunAsync(Request(new ProcessSpec { Cmd = ["true"], WorkingDirectory = "/nowhere/at/all" })));
        error.Code.Should().Be(ErrorCode.InvalidRequest);
        error.Message.Should().Contain("/nowhere/at/all");
    }

    [Fact]
    public async Task A_command_in_a_hidden_directory_is_not_found_and_the_reason_is_told()
    {
        SkipWithoutRoot();
        var result = await RunAsync(Request("/root/bin/tool"));
        result.ExitCode.Should().Be(127);
        result.Error.Should().Contain("/root is hidden");
    }
}
