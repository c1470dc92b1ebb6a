namespace Ergon.Docker.Tests;

/// <summary>Containers that somebody else froze, thawed or ended, while the executor is asked to.</summary>
public sealed class PausedByOthersTests : DockerTests
{
    [Fact]
    public async Task What_somebody_else_has_resumed_is_resumed()
    {
        var (executor, request, container) = await StartAsync("while [ ! -e /tmp/go ]; do sleep 0.1; done; exit 3");
        await executor.PauseAsync(request.ExecutionId, Token);
        using (var client = TestEngine.Connect()) await client.Containers.UnpauseContainerAsync(container, Token);

        await executor.ResumeAsync(request.ExecutionId, Token);

        (await executor.GetStatusAsync(request.ExecutionId, Token)).Status.Should().Be(ExecutionStatus.Running);
        var exec = await executor.ExecAsync(request.ExecutionId, new ExecRequest { Command = ["touch", "/tmp/go"] }, Token);
        await using (exec) (await exec.WaitAsync(Token)).Should().Be(0);
        (await executor.WaitAsync(request.ExecutionId, Token)).ExitCode.Should().Be(3);
    }

    [Fact]
    public async Task What_has_ended_while_it_was_thought_to_be_frozen_ends_with_its_exit_code()
    {
        var (executor, request, container) = await StartAsync("sleep 1; exit 3");
        await executor.PauseAsync(request.ExecutionId, Token);
        using (var client = TestEngine.Connect()) await client.Containers.UnpauseContainerAsync(container, Token);

        (await executor.WaitAsync(request.ExecutionId, Token)).ExitCode.Should().Be(3);

        (await Assert.ThrowsAsync<ExecutorException>(() => executor.ResumeAsync(request.ExecutionId, Token))).Code.Should().Be(ErrorCode.ExecutionAlreadyConcluded);
    }

    private async Task<(Executor Executor, ExecutionRequest Request, string Container)> StartAsync(string script)
    {
        var executor = NewExecutor();
        var request = Request(Shell(script));
        await executor.StartAsync(request, Token);
        return (executor, request, (await TestEngine.ContainersOfAsync(executor.ExecutorId, cancellationToken: Token)).Single().ID);
    }
}
