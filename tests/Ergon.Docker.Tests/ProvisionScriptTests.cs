namespace Ergon.Docker.Tests;

/// <summary>Scripts that run in the container before its command.</summary>
public sealed class ProvisionScriptTests : DockerTests
{
    [Fact]
    public async Task Scripts_run_in_the_order_of_the_request_as_the_jobs_user_in_its_directory_with_its_environment()
    {
        var request = Request(Shell("echo command; cat /tmp/made") with { User = "1000", WorkingDirectory = "/home/user" }) with
        {
            Environment = new Dictionary<string, string> { ["NAME"] = "value" },
            ProvisionScripts = [Script("z.sh", "echo \"z $(id -u) $PWD $NAME\"\necho made > /tmp/made"), Script("a.sh", "echo a >&2"), Script("z2.sh", "#!/bin/sh -e\necho z2")],
        };
        var result = await RunAsync(request);
        result.Stdout.Text.Should().Be("z 1000 /home/user value\nz2\ncommand\nmade\n");
        result.Stderr.Text.Should().Be("a\n");
        result.ExitCode.Should().Be(0);
    }

    [Fact]
    public async Task A_script_that_fails_is_named_with_its_exit_code_and_output()
    {
        var request = Request(Shell("echo never")) with
        {
            ProvisionScripts = [Script("good.sh", "echo fine"), Script("bad.sh", "echo 'no space left' >&2; exit 17"), Script("later.sh", "echo never")],
        };
        var result = await RunAsync(request);
        result.ExitCode.Should().Be(17);
        result.Reason.Should().Be(TerminationReason.Exited);
        result.Error.Should().Contain("'bad.sh'").And.Contain("exit code 17").And.Contain("no space left");
        result.Stdout.Text.Should().Be("fine\n");
    }

    [Fact]
    public async Task A_failing_command_is_not_taken_for_a_failing_script()
    {
        var result = await RunAsync(Request(Shell("exit 17")) with { ProvisionScripts = [Script("good.sh", "true")] });
        result.ExitCode.Should().Be(17);
        result.Error.Should().BeNull();
    }

    [Fact]
    public async Task A_script_whose_interpreter_is_missing_fails_by_name()
    {
        var result = await RunAsync(Request(Shell("echo never")) with { ProvisionScripts = [Script("odd", "#!/no/such/interpreter\n")] });
        result.ExitCode.Should().BeOneOf(126, 127);
        result.Error.Should().Contain("'odd'");
        result.Stdout.Text.Should().BeEmpty();
    }

    [Fact]
    public async Task Arguments_survive_the_wrapper()
    {
        string[] arguments = ["", "two words", "a'b\"c\\d", "line 1\nline 2", "ünïcödé 🚀", "$HOME `id` *", "--", "-n"];
        var request = Request(Shell("printf '[%s]' \"$@\"", arguments)) with { ProvisionScripts = [Script("nothing", "true")] };
        (await RunAsync(request)).Stdout.Text.Should().Be(string.Concat(arguments.Select(a => $"[{a}]")));
    }

    [Fact]
    public async Task A_read_only_root_has_scripts_too()
    {
        var request = Request(Shell("echo command") with { ReadOnlyRoot = true, User = "1000" }) with { ProvisionScripts = [Script("one", "echo one"), Script("two", "exit 3")] };
        var result = await RunAsync(request);
        result.Stdout.Text.Should().Be("one\n");
        result.ExitCode.Should().Be(3);
        result.Error.Should().Contain("'two'");
    }

    [Fact]
    public async Task The_volume_of_the_scripts_is_gone_with_the_container()
    {
        using var client = TestEngine.Connect();
        var executor = NewExecutor();
        var request = Request(Hanging()) with { ProvisionScripts = [Script("nothing", "true")] };
        await executor.StartAsync(request, Token);
        var container = await client.Containers.InspectContainerAsync(ContainerSpec.NameOf(executor.ExecutorId, request.ExecutionId), Token);
        var volume = container.Mounts!.Single(m => m.Destination == "/.ergon").Name!;
        (await client.Volumes.InspectAsync(volume, Token)).Name.Should().Be(volume);

        await executor.CancelAsync(request.ExecutionId, Token);
        await Assert.ThrowsAnyAsync<global::Docker.DotNet.DockerApiException>(() => client.Volumes.InspectAsync(volume, Token));
    }

    [Fact]
    public async Task An_image_without_a_shell_says_what_the_scripts_need()
    {
        TestEngine.Required();
        var image = await EmptyImageAsync();
        var request = Request(new DockerSpec { Image = image, Cmd = ["/nothing"] }) with { ProvisionScripts = [Script("nothing", "true")] };
        var result = await RunAsync(request);
        result.ExitCode.Should().Be(127);
        result.Error.Should().Contain("/bin/sh");
    }

    private async Task<string> EmptyImageAsync()
    {
        var name = TrackImage($"ergon-tests-{Guid.NewGuid():n}:latest");
        using var client = TestEngine.Connect();
        using var archive = new MemoryStream();
        await using (var tar = new System.Formats.Tar.TarWriter(archive, leaveOpen: true))
            await tar.WriteEntryAsync(new System.Formats.Tar.PaxTarEntry(System.Formats.Tar.TarEntryType.Directory, "etc/"), Token);
        archive.Position = 0;
        var parameters = new global::Docker.DotNet.Models.ImagesCreateParameters { FromSrc = "-", Repo = name[..name.IndexOf(':', StringComparison.Ordinal)], Tag = "latest" };
        await client.Images.CreateImageAsync(parameters, archive, new(), new SynchronousProgress<global::Docker.DotNet.Models.JSONMessage>(_ => { }), Token);
        return name;
    }
}
