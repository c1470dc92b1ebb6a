using Docker.DotNet.Models;

namespace Ergon.Docker.Tests;

/// <summary>What the image says, what the spec says, and which of them counts: as with Docker itself.</summary>
public sealed class ImageConfigurationTests : DockerTests
{
    /// <summary>Image entrypoint, image command, spec entrypoint, spec command, what is printed.</summary>
    public static readonly TheoryData<string?, string?, string[]?, string[]?, string> Combinations = new()
    {
        { "echo,e", "c", null, null, "e c" },
        { "echo,e", "c", null, ["x", "y"], "e x y" },
        { "echo,e", "c", ["echo", "n"], null, "n" },
        { "echo,e", "c", ["echo", "n"], ["x"], "n x" },
        { "echo,e", null, null, null, "e" },
        { "echo,e", null, null, ["x"], "e x" },
        { "echo,e", null, ["echo", "n"], ["x"], "n x" },
        { null, "echo,c", null, null, "c" },
        { null, "echo,c", null, ["echo", "x"], "x" },
        { null, "echo,c", ["echo", "n"], null, "n" },
        { null, "echo,c", ["echo", "n"], ["x"], "n x" },
        { "echo,e", "echo,c", [], null, "c" },
        { "echo,e", "echo,c", [], ["echo", "x"], "x" },
        { "echo,e", "echo,c", [""], ["echo", "x"], "x" },
    };

    [Theory]
    [MemberData(nameof(Combinations))]
    public async Task Entrypoint_and_command_combine_as_Dockers_do_with_and_without_scripts(
        string? imageEntrypoint, string? imageCommand, string[]? entrypoint, string[]? command, string output)
    {
        TestEngine.Required();
        var image = await CommitAsync($"ENTRYPOINT {Json(imageEntrypoint)}", $"CMD {Json(imageCommand)}");
        var request = Request(new DockerSpec { Image = image, Entrypoint = entrypoint, Cmd = command });
        (await RunAsync(request)).Stdout.Text.Should().Be(output + "\n");

        var provisioned = Request(new DockerSpec { Image = image, Entrypoint = entrypoint, Cmd = command }) with { ProvisionScripts = [Script("nothing", "true")] };
        (await RunAsync(provisioned)).Stdout.Text.Should().Be(output + "\n");
    }

    [Fact]
    public async Task Without_any_command_the_spec_is_refused()
    {
        var request = Request(new DockerSpec { Image = "busybox:latest", Entrypoint = [""] });
        (await RefusalAsync(ErrorCode.InvalidRequest, request)).Message.Should().Contain("engine_spec.params.cmd").And.Contain("Give one");
        (await RefusalAsync(ErrorCode.InvalidRequest, request with { ProvisionScripts = [Script("nothing", "true")] })).Message.Should().Contain("engine_spec.params.cmd");
    }

    [Fact]
    public async Task Variables_of_the_request_win_over_the_specs_and_these_over_the_images()
    {
        TestEngine.Required();
        var image = await CommitAsync("ENV A=image B=image C=image");
        var spec = Shell("echo $A $B $C") with { Image = image, Environment = new Dictionary<string, string> { ["B"] = "spec", ["C"] = "spec" } };
        var result = await RunAsync(Request(spec) with { Environment = new Dictionary<string, string> { ["C"] = "request" } });
        result.Stdout.Text.Should().Be("image spec request\n");
    }

    [Fact]
    public async Task The_images_user_directory_and_stop_signal_count_unless_the_spec_names_others()
    {
        TestEngine.Required();
        var image = await CommitAsync(new CreateContainerParameters { Image = "busybox:latest", StopSignal = "SIGUSR1" }, "USER 1000", "WORKDIR /home/user");
        var look = Shell("id -u; pwd") with { Image = image };
        (await RunAsync(look)).Stdout.Text.Should().Be("1000\n/home/user\n");
        (await RunAsync(look with { User = "nobody", WorkingDirectory = "/etc" })).Stdout.Text.Should().Be("65534\n/etc\n");
        (await StopAsync(image, null)).Should().Contain("USR1").And.NotContain("USR2");
        (await StopAsync(image, Signal.Parse("USR2"))).Should().Contain("USR2").And.NotContain("USR1");
    }

    [Fact]
    public async Task A_command_that_the_runtime_cannot_run_is_the_jobs_failure_also_without_an_init()
    {
        TestEngine.Required();
        foreach (var (command, code) in new[] { ("/no/such/command", 127), ("no-such-command", 127), ("/etc/passwd", 126), ("/etc", 126) })
        {
            foreach (var init in new[] { false, true })
            {
                var result = await RunAsync(new DockerSpec { Image = "busybox:latest", Cmd = [command], Init = init });
                result.ExitCode.Should().Be(code, "{0} with init {1}", command, init);
                result.Reason.Should().Be(TerminationReason.Exited);
                result.Error.Should().Contain(command);
            }
        }
    }

    [Fact]
    public async Task A_job_that_exits_with_127_by_itself_has_nothing_to_explain()
    {
        var result = await RunAsync(Shell("echo '[FATAL] not really'; exit 127"));
        result.ExitCode.Should().Be(127);
        result.Error.Should().BeNull();
    }

    private static string Json(string? list) => list is null ? "[]" : $"[{string.Join(", ", list.Split(',').Select(i => $"\"{i}\""))}]";

    private async Task<string> StopAsync(string image, Signal? signal)
    {
        var executor = NewExecutor();
        var spec = Shell("trap 'echo USR1; exit' USR1; trap 'echo USR2; exit' USR2; echo ready; while :; do sleep 1000 & wait $!; done") with { Image = image, StopSignal = signal };
        var request = Request(spec) with { Timeouts = new Timeouts { StopGrace = TimeSpan.FromSeconds(30) } };
        await executor.StartAsync(request, Token);
        await Ergon.Conformance.ExecutorExtensions.WaitForOutputAsync(executor, request.ExecutionId, "ready", Token);
        await executor.CancelAsync(request.ExecutionId, Token);
        return (await executor.WaitAsync(request.ExecutionId, Token)).Stdout.Text;
    }
}
