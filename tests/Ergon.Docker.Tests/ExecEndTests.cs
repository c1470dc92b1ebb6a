using System.Diagnostics;
using Docker.DotNet.Models;

namespace Ergon.Docker.Tests;

/// <summary>The end of a command inside a container, when it cannot be had by asking at once.</summary>
public sealed class ExecEndTests : DockerTests
{
    [Theory]
    [InlineData("sleep 1; exit 7", false)]
    [InlineData("exit 7", true)]
    public async Task The_end_is_told_by_the_engine_whether_it_is_to_come_or_was_before(string script, bool before)
    {
        var executor = NewExecutor();
        var request = Request(Hanging());
        await executor.StartAsync(request, Token);
        var container = (await TestEngine.ContainersOfAsync(executor.ExecutorId, cancellationToken: Token)).Single().ID;
        using var client = TestEngine.Connect();
        var exec = await client.Exec.CreateContainerExecAsync(container, new ContainerExecCreateParameters { Cmd = ["sh", "-c", script], AttachStdout = true }, Token);
        using var output = await client.Exec.StartContainerExecAsync(exec.ID, new ContainerExecStartParameters(), Token);
        if (before) await output.CopyOutputToAsync(Stream.Null, Stream.Null, Stream.Null, Token);

        using var engine = new EngineConnection(new DockerOptions { Endpoint = TestEngine.Required() }, TimeProvider.System);
        var begun = Stopwatch.StartNew();
        await ExecEnd.WaitAsync(engine, container, exec.ID, Token);

        begun.Elapsed.Should().BeLessThan(TimeSpan.FromSeconds(4.5), "the event ends the wait, and not the patience");
        (await client.Exec.InspectContainerExecAsync(exec.ID, Token)).ExitCode.Should().Be(7);
    }
}
