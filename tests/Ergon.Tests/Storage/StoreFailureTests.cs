using Ergon.Conformance;
using Ergon.Storage;

namespace Ergon.Tests.Storage;

/// <summary>A store that cannot be written for a time: executions go on, and what was told stays true.</summary>
public sealed class StoreFailureTests : StoreTests
{
    [Fact]
    public async Task A_start_that_cannot_be_stored_fails_and_leaves_nothing()
    {
        var executor = Create();
        var request = Request(Exit(0));
        FailOn(change => change.Request is not null);
        await Fails(ErrorCode.StorageFailed, () => executor.StartAsync(request, Token));
        await Fails(ErrorCode.ExecutionNotFound, () => executor.GetStatusAsync(request.ExecutionId, Token));
        Directory.Exists(DirectoryOf(request.ExecutionId)).Should().BeFalse();
        Heal();
        (await executor.RunAsync(request, Token)).ExitCode.Should().Be(0);
    }

    [Fact]
    public async Task A_job_whose_start_cannot_be_stored_is_destroyed()
    {
        var executor = Create();
        var request = Request(Hang());
        FailOn(change => change.Info.Status == ExecutionStatus.Running);
        await Fails(ErrorCode.StorageFailed, () => executor.StartAsync(request, Token));
        Backend.List().Should().BeEmpty();
    }

    [Theory]
    [InlineData(ExecutionStatus.Paused)]
    [InlineData(ExecutionStatus.Running)]
    public async Task A_pause_or_resume_that_cannot_be_stored_is_taken_back(ExecutionStatus wanted)
    {
        var executor = Create();
        var request = Request(WaitForSignal(Signal.User1), Exit(7));
        await executor.StartAsync(request, Token);
        await executor.WaitForOutputAsync(request.ExecutionId, "waiting\n", Token);
        if (wanted == ExecutionStatus.Running) await executor.PauseAsync(request.ExecutionId, Token);
        FailOn(change => change.Info.Status == wanted);
        await Fails(ErrorCode.StorageFailed, () => wanted == ExecutionStatus.Paused
            ? executor.PauseAsync(request.ExecutionId, Token)
            : executor.ResumeAsync(request.ExecutionId, Token));
        Heal();
        if (wanted == ExecutionStatus.Running) await executor.ResumeAsync(request.ExecutionId, Token);
        (await executor.GetStatusAsync(request.ExecutionId, Token)).Status.Should().Be(ExecutionStatus.Running);
        await executor.SignalAsync(request.ExecutionId, Signal.User1, Token);
        (await executor.WaitAsync(request.ExecutionId, Token)).ExitCode.Should().Be(7);
    }

    [Fact]
    public async Task A_result_that_cannot_be_stored_is_told_and_kept_in_the_backend_until_it_can()
    {
        var executor = Create();
        var request = Request(Print("told"), Exit(3));
        FailOn(change => change.Info.Status != ExecutionStatus.Pending && change.Event?.Type != ExecutionEventType.Started);
        (await executor.RunAsync(request, Token)).ExitCode.Should().Be(3);
        (await executor.WaitAsync(request.ExecutionId, Token)).Stdout.Text.Should().Be("told");
        Backend.List().Should().ContainSingle();

        Heal();
        while (Backend.List().Count > 0) await Task.Delay(TimeSpan.FromMilliseconds(5), TimeProvider.System, Token);
        (await executor.WaitAsync(request.ExecutionId, Token)).Stdout.Text.Should().Be("told");
        await executor.DisposeAsync();
        var second = Create();
        await second.RecoverAsync(Token);
        (await second.WaitAsync(request.ExecutionId, Token)).ExitCode.Should().Be(3);
    }

    [Fact]
    public async Task A_result_that_was_told_and_never_stored_is_found_again_by_the_next_process()
    {
        var first = Create();
        var request = Request(Print("told"), Exit(3));
        FailOn(change => change.Info.Status != ExecutionStatus.Pending && change.Event?.Type != ExecutionEventType.Started);
        (await first.RunAsync(request, Token)).ExitCode.Should().Be(3);
        await first.DisposeAsync();

        Heal();
        var second = Create();
        await second.RecoverAsync(Token);
        var result = await second.WaitAsync(request.ExecutionId, Token);
        result.ExitCode.Should().Be(3);
        result.Stdout.Text.Should().Be("told");
        Backend.List().Should().BeEmpty();
    }

    [Fact]
    public async Task An_execution_whose_result_could_not_be_stored_can_be_removed()
    {
        var executor = Create();
        var request = Request(Exit(3));
        FailOn(change => change.Result is not null);
        await executor.RunAsync(request, Token);
        await executor.RemoveAsync(request.ExecutionId, TimeSpan.FromMinutes(10), Token);
        Backend.List().Should().BeEmpty();
        Directory.Exists(DirectoryOf(request.ExecutionId)).Should().BeFalse();
    }

    private void FailOn(Predicate<ExecutionChange> which) => Store.Before = change =>
        which(change) ? Task.FromException(MemoryExecutionStore.Full(change.Info.ExecutionId)) : Task.CompletedTask;

    private void Heal() => Store.Before = static _ => Task.CompletedTask;
}
