using Docker.DotNet.Models;

namespace Ergon.Docker.Tests;

/// <summary>What a job gets without asking, and what it does not get even if it asks.</summary>
public sealed class HardeningTests : DockerTests
{
    [Fact]
    public async Task A_container_is_hardened_by_default()
    {
        var container = await StartAndInspectAsync(Request(Hanging()) with { Resources = new Resources { Memory = 64 << 20 } });
        var host = container.HostConfig!;
        host.Privileged.Should().BeFalse();
        host.CapDrop.Should().Equal("ALL");
        host.CapAdd.Should().BeNullOrEmpty();
        host.SecurityOpt.Should().Equal("no-new-privileges");
        host.PidsLimit.Should().Be(512);
        host.Memory.Should().Be(64 << 20);
        host.MemorySwap.Should().Be(64 << 20);
        host.NetworkMode.Should().Be("none");
        host.LogConfig!.Type.Should().Be("local");
        host.ReadonlyRootfs.Should().BeFalse();
        host.Binds.Should().BeNullOrEmpty();
        host.AutoRemove.Should().BeFalse();
        host.RestartPolicy!.Name.Should().BeOneOf(RestartPolicyKind.No, RestartPolicyKind.Undefined);
    }

    [Fact]
    public async Task The_kernel_confirms_the_hardening()
    {
        var result = await RunAsync(Shell("grep -E '^(CapEff|CapBnd|NoNewPrivs|Seccomp):' /proc/self/status | sort; cat /sys/fs/cgroup/pids/pids.max /sys/fs/cgroup/pids.max 2>/dev/null"));
        var lines = result.Stdout.Text.Split('\n', StringSplitOptions.RemoveEmptyEntries).Select(l => l.Replace("\t", " ", StringComparison.Ordinal));
        lines.Should().Equal("CapBnd: 0000000000000000", "CapEff: 0000000000000000", "NoNewPrivs: 1", "Seccomp: 2", "512");
    }

    [Fact]
    public async Task A_container_carries_the_ids_and_the_callers_labels()
    {
        var request = Request(Hanging()) with { Labels = new Dictionary<string, string> { ["team"] = "a" } };
        var labels = (await StartAndInspectAsync(request)).Config!.Labels!;
        labels.Should().Contain("ergon.job", "docker-tests").And.Contain("ergon.execution", request.ExecutionId.Value).And.Contain("ergon.label.team", "a");
        labels.Should().ContainKey("ergon.executor");
    }

    [Fact]
    public async Task Capabilities_are_refused_unless_the_operator_allows_each()
    {
        var spec = Shell("grep CapEff /proc/self/status") with { CapAdd = ["NET_ADMIN", "SYS_TIME"] };
        var error = await RefusalAsync(ErrorCode.InvalidRequest, spec, new DockerOptions { Policy = new DockerPolicy { AllowedCapabilities = ["NET_ADMIN"] } });
        error.Problems.Should().ContainSingle().Which.Should().Match<RequestProblem>(
            p => p.Field == "engine_spec.params.cap_add" && p.Kind == RequestProblemKind.Forbidden && p.Message.Contains("SYS_TIME"));

        var allowed = await RunAsync(spec with { CapAdd = ["NET_ADMIN"] }, new DockerOptions { Policy = new DockerPolicy { AllowedCapabilities = ["NET_ADMIN"] } });
        allowed.Stdout.Text.Should().Contain("0000000000001000");
    }

    [Theory]
    [InlineData("ALL")]
    [InlineData("CAP_NET_ADMIN")]
    [InlineData("all")]
    public async Task Another_spelling_of_a_capability_does_not_get_past_the_policy(string capability) =>
        await RefusalAsync(
            ErrorCode.InvalidRequest,
            Shell("true") with { CapAdd = [capability] },
            new DockerOptions { Policy = new DockerPolicy { AllowedCapabilities = ["NET_BIND_SERVICE"] } });

    [Fact]
    public async Task Privileged_is_refused_unless_the_operator_allows_it()
    {
        var spec = Shell("grep CapEff /proc/self/status") with { Privileged = true };
        var error = await RefusalAsync(ErrorCode.InvalidRequest, spec);
        error.Problems.Should().ContainSingle(p => p.Field == "engine_spec.params.privileged" && p.Kind == RequestProblemKind.Forbidden);

        // Not started: where the Engine itself has not all privileges, it cannot give them.
        var host = (await PrepareAndInspectAsync(Request(spec), new DockerOptions { Policy = new DockerPolicy { AllowPrivileged = true } })).HostConfig!;
        host.Privileged.Should().BeTrue();
    }

    [Fact]
    public async Task The_hosts_network_is_refused_unless_the_operator_allows_it()
    {
        var request = Request(Shell("true")) with { Network = new NetworkSpec { Mode = NetworkMode.Host } };
        (await RefusalAsync(ErrorCode.InvalidRequest, request)).Problems.Should().ContainSingle(p => p.Field == "network.mode");
        (await RunAsync(request, new DockerOptions { Policy = new DockerPolicy { AllowHostNetwork = true } })).ExitCode.Should().Be(0);
    }

    [Theory]
    [InlineData(null)]
    [InlineData("root")]
    [InlineData("0")]
    [InlineData("0:1000")]
    [InlineData("00")]
    [InlineData("+0")]
    [InlineData("a-name-for-0")]
    public async Task Root_is_refused_where_the_operator_does_not_allow_it(string? user)
    {
        var policy = new DockerOptions { Policy = new DockerPolicy { AllowRootUser = false } };
        var error = await RefusalAsync(ErrorCode.InvalidRequest, Shell("id -u") with { User = user }, policy);
        error.Problems.Should().ContainSingle(p => p.Field == "engine_spec.params.user");
        (await RunAsync(Shell("id -u") with { User = "1000" }, policy)).Stdout.Text.Should().Be("1000\n");
    }

    [Fact]
    public async Task A_read_only_root_cannot_be_written()
    {
        (await RunAsync(Shell("echo x > /file") with { ReadOnlyRoot = true })).ExitCode.Should().NotBe(0);
        (await RunAsync(Shell("echo x > /file"))).ExitCode.Should().Be(0);
    }

    [Fact]
    public async Task User_hostname_and_directory_are_the_specs()
    {
        var spec = Shell("id -u; id -g; hostname; pwd") with { User = "1000:65534", Hostname = "a-host-of-mine", WorkingDirectory = "/made/if/missing" };
        (await RunAsync(spec)).Stdout.Text.Should().Be("1000\n65534\na-host-of-mine\n/made/if/missing\n");
    }

    [Fact]
    public async Task An_engine_without_an_init_is_told_from_a_command_that_is_not_there()
    {
        await using var engine = await OwnEngine.StartAsync(Token, "--init-path=/no/such/docker-init");
        var options = new DockerOptions { Endpoint = engine.Endpoint };
        var error = await RefusalAsync(ErrorCode.NotSupported, Shell("true"), options);
        error.Problems.Should().ContainSingle().Which.Field.Should().Be("engine_spec.params.init");
        error.Message.Should().Contain("apt-get install tini");
        (await RunAsync(Shell("exit 3") with { Init = false }, options)).ExitCode.Should().Be(3);
    }

    [Fact]
    public async Task An_init_is_the_first_process_unless_the_spec_says_otherwise()
    {
        const string script = "cat /proc/1/cmdline | tr '\\0' ' '";
        (await RunAsync(Shell(script))).Stdout.Text.Should().Contain("init");
        (await RunAsync(Shell(script) with { Init = false })).Stdout.Text.Should().StartWith("/bin/sh");
    }

    [Fact]
    public async Task Everything_that_is_wrong_with_a_spec_is_said_at_once()
    {
        var spec = new DockerSpec { Image = "Not An Image", WorkingDirectory = "relative", CapAdd = ["SYS_ADMIN"], Privileged = true };
        var error = await RefusalAsync(ErrorCode.InvalidRequest, spec);
        error.Problems.Select(p => p.Field).Should().BeEquivalentTo(
            "engine_spec.params.image", "engine_spec.params.cap_add", "engine_spec.params.privileged", "engine_spec.params.working_directory");
    }
}
