using Docker.DotNet.Models;
using Ergon.Drivers;

namespace Ergon.Docker.Tests;

/// <summary>Containers that wait for their job.</summary>
public sealed class WarmContainerTests : DockerTests
{
    private static readonly DockerOptions Warm = new() { WarmContainers = new WarmContainerOptions { MaxIdle = 2 } };

    [Fact]
    public async Task A_job_in_a_container_that_waited_ends_as_in_one_of_its_own()
    {
        var executor = await WarmExecutorAsync(Shell("true"));

        var result = await RunWarmAsync(executor, Shell("echo out $0 $GIVEN $PATH; echo err >&2; cat; exit 7", "first argument") with
        {
            Environment = new Dictionary<string, string> { ["GIVEN"] = "with blank", ["PATH"] = "/bin:/usr/bin" },
        });

        result.ExitCode.Should().Be(7);
        result.Reason.Should().Be(TerminationReason.Exited);
        result.Stdout.Text.Should().Be("out sh with blank /bin:/usr/bin\n", "and its stdin is empty");
        result.Stderr.Text.Should().Be("err\n");
    }

    [Fact]
    public async Task No_container_serves_two_jobs()
    {
        var executor = await WarmExecutorAsync(Shell("true"));

        for (var i = 0; i < 4; i++)
        {
            var result = await RunWarmAsync(executor, Shell("ls /left /tmp/left /dev/shm/left 2>/dev/null; touch /left /tmp/left /dev/shm/left; hostname"));
            result.Stdout.Text.Should().MatchRegex("^[0-9a-f]{12}\n$");
        }
    }

    [Theory]
    [InlineData("/no/such/program", 127)]
    [InlineData("no-such-program", 127)]
    [InlineData("/etc/passwd", 126)]
    public async Task A_command_that_cannot_be_run_is_told_apart(string command, int code)
    {
        var executor = await WarmExecutorAsync(Shell("true"));

        var result = await RunWarmAsync(executor, Shell("") with { Cmd = [command] });

        result.ExitCode.Should().Be(code);
        result.Error.Should().Contain(command);
        result.Stdout.Text.Should().BeEmpty();
    }

    [Fact]
    public async Task The_image_says_command_variables_user_and_directory()
    {
        var image = await CommitAsync("ENTRYPOINT [\"/bin/sh\", \"-c\"]", "CMD [\"echo $OF_THE_IMAGE $(id -u) $(pwd); exit 3\"]", "ENV OF_THE_IMAGE=yes", "USER 1234", "WORKDIR /var/tmp");
        var executor = await WarmExecutorAsync(new DockerSpec { Image = image });

        var result = await RunWarmAsync(executor, new DockerSpec { Image = image });

        result.Stdout.Text.Should().Be("yes 1234 /var/tmp\n");
        result.ExitCode.Should().Be(3);
    }

    [Fact]
    public async Task A_tag_that_has_moved_is_begun_from_the_new_image()
    {
        var image = await CommitAsync("ENV VERSION=1");
        var spec = Shell("echo $VERSION") with { Image = image };
        var executor = await WarmExecutorAsync(spec);
        var newer = await CommitAsync("ENV VERSION=2");
        using (var client = TestEngine.Connect()) await client.Images.TagImageAsync(newer, new ImageTagParameters { RepositoryName = image.Split(':')[0], Tag = "latest" }, Token);

        var result = await executor.RunAsync(Request(spec), Token);

        result.Stdout.Text.Should().Be("2\n");
    }

    [Fact]
    public async Task A_container_that_ended_while_it_waited_is_replaced()
    {
        var executor = await WarmExecutorAsync(Shell("true"));
        using (var client = TestEngine.Connect())
            foreach (var waiting in await WaitingAsync(executor)) await client.Containers.KillContainerAsync(waiting.ID, new ContainerKillParameters(), Token);

        var result = await executor.RunAsync(Request(Shell("exit 5")), Token);

        result.ExitCode.Should().Be(5);
    }

    [Fact]
    public async Task What_is_asked_for_once_has_none_waiting_and_the_budget_holds()
    {
        var executor = NewExecutor(Warm);
        await executor.RunAsync(Request(Shell("true") with { User = "1" }), Token);
        foreach (var user in (string[])["2", "3", "4"])
            for (var i = 0; i < 2; i++) await executor.RunAsync(Request(Shell("true") with { User = user }), Token);
        await WaitForWaitingAsync(executor, 2);

        var users = (await WaitingAsync(executor)).Count;

        users.Should().Be(2);
    }

    [Fact]
    public async Task Limits_are_those_that_were_asked_for()
    {
        var request = Request(Shell("cat /sys/fs/cgroup/memory/memory.limit_in_bytes /sys/fs/cgroup/memory.max 2>/dev/null")) with { Resources = new Resources { Memory = 48 << 20, Pids = 33 } };
        var executor = await WarmExecutorAsync(request);

        var other = await executor.RunAsync(Request(Shell("cat /sys/fs/cgroup/memory/memory.limit_in_bytes /sys/fs/cgroup/memory.max 2>/dev/null")), Token);
        var limited = await RunWarmAsync(executor, request with { ExecutionId = ExecutionId.New() });

        limited.Stdout.Text.Trim().Should().Be($"{48 << 20}");
        other.Stdout.Text.Trim().Should().NotBe($"{48 << 20}");
    }

    [Fact]
    public async Task Whether_it_was_told_what_to_become_is_known_to_a_later_process()
    {
        var options = new DockerOptions { Endpoint = TestEngine.Required(), WarmContainers = new WarmContainerOptions { Always = true } };
        var context = new DriverContext { Request = Request(Shell("sleep 1; exit 9")), ExecutorId = $"docker-tests-{Guid.NewGuid():n}", WorkDirectory = NewDirectory() };
        await using var former = new DockerDriver(options);
        await using var later = new DockerDriver(options);
        await using var prepared = await former.PrepareAsync(context, Token);
        try
        {
            await using (var found = await later.AttachAsync(context, Token)) found!.Started.Should().BeFalse("it waits");
            await prepared.StartAsync(Token);
            await using (var found = await later.AttachAsync(context, Token))
            {
                found!.Started.Should().BeTrue();
                (await found.WaitAsync(Token)).ExitCode.Should().Be(9);
            }
        }
        finally
        {
            await prepared.DestroyAsync(CancellationToken.None);
        }
    }

    [Fact]
    public async Task What_waits_for_a_process_that_is_gone_ends_and_is_removed_by_the_next()
    {
        var options = new DockerOptions { Endpoint = TestEngine.Required(), WarmContainers = new WarmContainerOptions { Always = true } };
        var context = new DriverContext { Request = Request(Shell("true")), ExecutorId = $"docker-tests-{Guid.NewGuid():n}", WorkDirectory = NewDirectory() };
        await using var driver = new DockerDriver(options);
        await using (var prepared = await driver.PrepareAsync(context, Token))
        {
            // As when the process ends: nobody holds the connection any more.
        }

        using (var client = TestEngine.Connect())
        {
            var name = ContainerSpec.NameOf(context.ExecutorId, context.Request.ExecutionId);
            (await client.Containers.WaitContainerAsync(name, Token)).StatusCode.Should().Be(125);
            var files = (await client.Containers.InspectContainerAsync(name, Token)).Config!.Labels!["ergon.warm"];
            await driver.CleanupAsync(context.ExecutorId, new HashSet<ExecutionId>(), Token);
            Directory.Exists(files).Should().BeFalse();
        }

        (await TestEngine.ContainersOfAsync(context.ExecutorId, cancellationToken: Token)).Should().BeEmpty();
    }

    private Task<Executor> WarmExecutorAsync(DockerSpec spec) => WarmExecutorAsync(Request(spec));

    // What has been asked for twice has a container waiting.
    private async Task<Executor> WarmExecutorAsync(ExecutionRequest request)
    {
        var executor = NewExecutor(Warm);
        for (var i = 0; i < 2; i++) await executor.RunAsync(request with { ExecutionId = ExecutionId.New() }, Token);
        await WaitForWaitingAsync(executor, 1);
        return executor;
    }

    private Task<ExecutionResult> RunWarmAsync(Executor executor, DockerSpec spec) => RunWarmAsync(executor, Request(spec));

    // Sees that it was a container that had waited which became the job's.
    private async Task<ExecutionResult> RunWarmAsync(Executor executor, ExecutionRequest request)
    {
        await WaitForWaitingAsync(executor, 1);
        var waiting = (await WaitingAsync(executor)).Select(c => c.ID).ToList();
        await executor.StartAsync(request, Token);
        using var client = TestEngine.Connect();
        var container = await client.Containers.InspectContainerAsync(ContainerSpec.NameOf(executor.ExecutorId, request.ExecutionId), Token);
        waiting.Should().Contain(container.ID);
        return await executor.WaitAsync(request.ExecutionId, Token);
    }

    private async Task<List<ContainerListResponse>> WaitingAsync(Executor executor) =>
        [.. (await TestEngine.ContainersOfAsync(executor.ExecutorId, cancellationToken: Token)).Where(c => c.Names!.Any(n => n.StartsWith("/ergon-warm-", StringComparison.Ordinal)))];

    private async Task WaitForWaitingAsync(Executor executor, int count)
    {
        while (int.Parse((await executor.FingerprintAsync(Token)).Details["warm_containers"].Split(' ')[0]) < count) await Task.Delay(20, Token);
    }
}
