namespace Ergon.Conformance;

/// <summary>Removal, cleanup, retention and disposal.</summary>
public abstract class RemovalConformance(ConformanceFixture fixture) : ConformanceTests(fixture)
{
    private static readonly TimeSpan Plenty = TimeSpan.FromSeconds(30);

    [Fact]
    public async Task A_removed_execution_is_not_known_any_more()
    {
        var request = Request(Print("gone"));
        await RunAsync(request);
        var id = request.ExecutionId;
        await Executor.RemoveAsync(id, Plenty, Token);
        await Refusal(ErrorCode.ExecutionNotFound, () => Executor.GetStatusAsync(id, Token));
        await Refusal(ErrorCode.ExecutionNotFound, () => Executor.WaitAsync(id, Token));
        await Refusal(ErrorCode.ExecutionNotFound, () => Executor.ReadStdoutAsync(id, Token));
        await Refusal(ErrorCode.ExecutionNotFound, () => Executor.RemoveAsync(id, Plenty, Token));
        (await Executor.ListAsync(null, Token)).Should().NotContain(i => i.ExecutionId == id);
    }

    [Fact]
    public async Task Removing_a_running_execution_kills_it_and_its_waiters_get_the_result()
    {
        var id = await StartAsync(Request(OnSignal(Signal.Terminate), Print("ready\n"), Hang()) with
        {
            Timeouts = new Timeouts { StopGrace = TimeSpan.FromMinutes(5) },
        });
        await Executor.WaitForOutputAsync(id, "ready\n", Token);
        var waiter = WaitAsync(id);
        await Executor.RemoveAsync(id, Plenty, Token);
        var result = await waiter;
        result.Reason.Should().Be(TerminationReason.Cancelled);
        result.Stdout.Text.Should().Be("ready\n");
        await Refusal(ErrorCode.ExecutionNotFound, () => Executor.GetStatusAsync(id, Token));
    }

    [Fact]
    public async Task A_follower_of_a_removed_execution_ends()
    {
        var id = await StartAsync(Print("ready\n"), Hang());
        await Executor.WaitForOutputAsync(id, "ready\n", Token);
        var follower = Executor.ReadLogAsync(new() { ExecutionId = id, Follow = true }, OutputStream.Stdout, Token);
        await Executor.RemoveAsync(id, Plenty, Token);
        (await follower).Should().Equal("ready\n"u8.ToArray());
    }

    [Fact]
    public async Task Removing_one_execution_spares_the_others()
    {
        var (first, second) = (await StartAsync(Hang()), await StartAsync(Hang()));
        await Executor.RemoveAsync(first, Plenty, Token);
        (await Executor.GetStatusAsync(second, Token)).Status.Should().Be(ExecutionStatus.Running);
    }

    [Fact]
    public async Task Cleanup_removes_everything_of_its_executor_and_nothing_of_another()
    {
        var data = Fixture.NewDirectory();
        await using var tidy = Fixture.CreateExecutor(new ExecutorOptions { DataDirectory = data });
        await using var other = Fixture.CreateExecutor();
        var running = await StartAsync(Request(Hang()), tidy);
        var concluded = Request(Exit(0));
        await RunAsync(concluded, tidy);
        var spared = await StartAsync(Request(WaitForSignal(Signal.User1), Exit(7)), other);
        await other.WaitForOutputAsync(spared, "waiting\n", Token);

        await tidy.CleanupAsync(Token);
        (await tidy.ListAsync(null, Token)).Should().BeEmpty();
        await Refusal(ErrorCode.ExecutionNotFound, () => tidy.GetStatusAsync(running, Token));
        Directory.EnumerateFileSystemEntries(data, "*", SearchOption.AllDirectories)
            .Should().NotContain(path => path.Contains(running.Value) || path.Contains(concluded.ExecutionId.Value));

        (await other.GetStatusAsync(spared, Token)).Status.Should().Be(ExecutionStatus.Running);
        await other.SignalAsync(spared, Signal.User1, Token);
        (await other.WaitAsync(spared, Token)).ExitCode.Should().Be(7);
        (await RunAsync(Request(Exit(3)), tidy)).ExitCode.Should().Be(3);
    }

    [Fact]
    public async Task A_result_is_released_when_its_retention_is_over()
    {
        var request = Request(Print("short-lived")) with { PersistLogs = TimeSpan.FromMilliseconds(200) };
        (await RunAsync(request)).Stdout.Text.Should().Be("short-lived");
        var id = request.ExecutionId;
        while (await Record.ExceptionAsync(() => Executor.WaitAsync(id, Token)) is null)
            await Task.Delay(TimeSpan.FromMilliseconds(50), TimeProvider.System, Token);

        await Refusal(ErrorCode.ExecutionAlreadyConcluded, () => Executor.WaitAsync(id, Token));
        await Refusal(ErrorCode.ExecutionAlreadyConcluded, () => Executor.ReadStdoutAsync(id, Token));
        await Refusal(ErrorCode.ExecutionAlreadyConcluded, () => Executor.StartAsync(request, Token));
        (await Executor.GetStatusAsync(id, Token)).Status.Should().Be(ExecutionStatus.Success);
    }

    [Fact]
    public async Task Disposing_an_executor_cancels_what_runs_on_it()
    {
        var executor = Fixture.CreateExecutor();
        var id = await StartAsync(Request(Print("ready\n"), Hang()), executor);
        await executor.WaitForOutputAsync(id, "ready\n", Token);
        var waiter = executor.WaitAsync(id, Token);
        await executor.DisposeAsync();
        (await waiter).Reason.Should().Be(TerminationReason.Cancelled);
    }

    [Fact]
    public async Task A_disposed_executor_refuses_everything_and_can_be_disposed_again()
    {
        var executor = Fixture.CreateExecutor();
        var request = Request(Exit(0));
        await RunAsync(request, executor);
        await executor.DisposeAsync();
        await executor.DisposeAsync();
        await Refusal(ErrorCode.ExecutorClosed, () => executor.StartAsync(Request(Exit(0)), Token));
        await Refusal(ErrorCode.ExecutorClosed, () => executor.GetStatusAsync(request.ExecutionId, Token));
        await Refusal(ErrorCode.ExecutorClosed, () => executor.WaitAsync(request.ExecutionId, Token));
        await Refusal(ErrorCode.ExecutorClosed, () => executor.CleanupAsync(Token));
    }
}
