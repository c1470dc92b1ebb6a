namespace Ergon.Conformance;

/// <summary>An id that nobody knows is answered the same everywhere.</summary>
public abstract class UnknownIdConformance(ConformanceFixture fixture) : ConformanceTests(fixture)
{
    [Fact]
    public Task Wait_does_not_find_it() => NotFound(id => Executor.WaitAsync(id, Token));

    [Fact]
    public Task Cancel_does_not_find_it() => NotFound(id => Executor.CancelAsync(id, Token));

    [Fact]
    public Task The_log_does_not_find_it() => NotFound(id => Executor.ReadStdoutAsync(id, Token));

    [Fact]
    public Task Following_the_log_does_not_find_it() =>
        NotFound(id => Executor.ReadLogAsync(new() { ExecutionId = id, Follow = true, Tail = true }, OutputStream.Stdout, Token));

    [Fact]
    public Task Pause_does_not_find_it() => NotFound(id => Executor.PauseAsync(id, Token));

    [Fact]
    public Task Resume_does_not_find_it() => NotFound(id => Executor.ResumeAsync(id, Token));

    [Fact]
    public Task Signal_does_not_find_it() => NotFound(id => Executor.SignalAsync(id, Signal.User1, Token));

    [Fact]
    public Task Exec_does_not_find_it() => NotFound(id => Executor.ExecAsync(id, new ExecRequest { Command = ["true"] }, Token));

    [Fact]
    public Task Status_does_not_find_it() => NotFound(id => Executor.GetStatusAsync(id, Token));

    [Fact]
    public Task Waiting_for_a_status_does_not_find_it() =>
        NotFound(id => Executor.WaitForStatusAsync(id, ExecutionStatus.Running, TimeSpan.FromMinutes(1), Token));

    [Fact]
    public Task Stats_do_not_find_it() => NotFound(async id =>
    {
        await foreach (var sample in Executor.GetStatsAsync(id, Token)) Assert.Fail($"A sample of nothing: {sample}");
    });

    [Fact]
    public Task Remove_does_not_find_it() => NotFound(id => Executor.RemoveAsync(id, TimeSpan.FromSeconds(1), Token));

    private static async Task NotFound(Func<ExecutionId, Task> act)
    {
        var id = UnknownId;
        var error = await Refusal(ErrorCode.ExecutionNotFound, () => act(id));
        error.ExecutionId.Should().Be(id);
        error.Message.Should().Contain(id.Value);
    }
}
