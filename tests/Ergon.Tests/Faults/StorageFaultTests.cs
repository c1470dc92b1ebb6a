using Ergon.Conformance;
using Ergon.Tests.InMemory;

namespace Ergon.Tests.Faults;

/// <summary>A data directory that cannot be used, vanishes, or is damaged.</summary>
public sealed class StorageFaultTests : FaultTests
{
    [Fact]
    public async Task A_data_directory_that_is_a_file_fails_the_start_and_says_so()
    {
        var file = Path.Combine(Data, "file");
        await File.WriteAllTextAsync(file, "in the way", Token);
        await using var executor = new Executor(new InMemoryDriver(Backend), Options with { DataDirectory = file });
        var request = Request(Exit(0));
        var error = await Fails(ErrorCode.StorageFailed, () => executor.StartAsync(request, Token));
        error.Message.Should().Contain(file);
        Backend.List().Should().BeEmpty();
    }

    [Fact]
    public async Task A_results_directory_that_cannot_be_made_fails_the_start_and_leaves_nothing()
    {
        var file = Path.Combine(Data, "file");
        await File.WriteAllTextAsync(file, "in the way", Token);
        var request = Request(Exit(0)) with { ResultsDir = Path.Combine(file, "results") };
        await Fails(ErrorCode.InvalidRequest, () => Executor.StartAsync(request, Token));
        await NothingIsLeftOf(request.ExecutionId);
    }

    [Fact]
    public async Task Records_that_vanish_while_the_job_runs_do_not_keep_its_result_from_the_waiters()
    {
        var request = Request(WaitForSignal(Signal.User1), Print("after"), Exit(3));
        await Executor.StartAsync(request, Token);
        await Executor.WaitForOutputAsync(request.ExecutionId, "waiting\n", Token);
        var waiter = Executor.WaitAsync(request.ExecutionId, Token);
        foreach (var directory in Directory.GetDirectories(Path.Combine(Data, "faults"))) Directory.Delete(directory, recursive: true);

        await Executor.SignalAsync(request.ExecutionId, Signal.User1, Token);
        var result = await waiter.WaitAsync(Token);
        result.Reason.Should().Be(TerminationReason.Exited);
        result.ExitCode.Should().Be(3);
        Backend.List().Should().BeEmpty();
        (await Executor.GetStatusAsync(request.ExecutionId, Token)).IsTerminal.Should().BeTrue();
    }

    [Fact]
    public async Task A_results_directory_that_vanishes_is_told_and_does_not_change_how_the_job_ended()
    {
        var results = Path.Combine(Data, "results");
        var request = Request(WaitForSignal(Signal.User1), Exit(3)) with { ResultsDir = results };
        await Executor.StartAsync(request, Token);
        await Executor.WaitForOutputAsync(request.ExecutionId, "waiting\n", Token);
        Directory.Delete(results, recursive: true);
        await File.WriteAllTextAsync(results, "in the way", Token);
        await Executor.SignalAsync(request.ExecutionId, Signal.User1, Token);
        var result = await Executor.WaitAsync(request.ExecutionId, Token);
        result.ExitCode.Should().Be(3);
        result.Error.Should().Contain(results);
    }

    [Theory]
    [InlineData("request.json")]
    [InlineData("state.json")]
    public async Task Damaged_records_of_one_execution_do_not_keep_the_others_from_being_recovered(string name)
    {
        var options = Options with { ExecutorId = "damaged" };
        var (good, bad) = (Request(Print("good")), Request(Print("bad")));
        await using (var first = new Executor(new InMemoryDriver(Backend), options))
        {
            await first.RunAsync(good, Token);
            await first.RunAsync(bad, Token);
        }

        await File.WriteAllTextAsync(Path.Combine(Data, "damaged", bad.ExecutionId.Value, name), "{\"half\":", Token);
        await using var second = new Executor(new InMemoryDriver(Backend), options);
        await second.RecoverAsync(Token);
        (await second.WaitAsync(good.ExecutionId, Token)).Stdout.Text.Should().Be("good");
        await Fails(ErrorCode.ExecutionNotFound, () => second.WaitAsync(bad.ExecutionId, Token));

        // Its id is not given away by accident, and cleaning up makes it free.
        await Fails(ErrorCode.ExecutionAlreadyStarted, () => second.StartAsync(bad, Token));
        await second.CleanupAsync(Token);
        (await second.RunAsync(bad, Token)).Stdout.Text.Should().Be("bad");
    }

    [Fact]
    public async Task A_result_that_is_damaged_on_disk_is_an_error_of_the_storage()
    {
        var request = Request(Print("x"));
        await Executor.RunAsync(request, Token);
        await File.WriteAllTextAsync(Path.Combine(Data, "faults", request.ExecutionId.Value, "result.json"), "nonsense", Token);
        await Fails(ErrorCode.StorageFailed, () => Executor.WaitAsync(request.ExecutionId, Token));
    }
}
