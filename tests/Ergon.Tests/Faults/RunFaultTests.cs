using Ergon.Conformance;
using Ergon.Drivers;

namespace Ergon.Tests.Faults;

/// <summary>A driver that fails or lies while the job runs and when it ends.</summary>
public sealed class RunFaultTests : FaultTests
{
    [Theory]
    [InlineData(Fault.Throws, "The driver broke")]
    [InlineData(Fault.Hangs, "did not end")]
    [InlineData(Fault.HangsForGood, "did not end")]
    public async Task Output_that_cannot_be_read_does_not_hide_how_the_job_ended(Fault fault, string expected)
    {
        Driver.With(DriverCall.Pump, fault);
        var result = await Executor.RunAsync(Request(Exit(3)), Token).WaitAsync(Token);
        result.Reason.Should().Be(TerminationReason.Exited);
        result.ExitCode.Should().Be(3);
        result.Error.Should().Contain(expected);
    }

    [Fact]
    public async Task Output_that_breaks_off_in_the_middle_is_kept_so_far()
    {
        Driver.Output = async (output, _, _) =>
        {
            await output;
            throw new IOException("The line went dead.");
        };
        var result = await Executor.RunAsync(Request(Print("so far"), Exit(0)), Token).WaitAsync(Token);
        result.Reason.Should().Be(TerminationReason.Exited);
        result.Stdout.Text.Should().Be("so far");
        result.Error.Should().Contain("The line went dead");
    }

    [Fact]
    public async Task Output_that_comes_after_the_end_is_kept()
    {
        Driver.Output = async (output, sink, token) =>
        {
            await output;
            await Task.Delay(TimeSpan.FromMilliseconds(50), TimeProvider.System, token);
            await sink.WriteAsync(OutputStream.Stdout, "late"u8.ToArray(), token);
        };
        // Not in fast time, in which a machine with much to do is late by itself.
        await using var executor = new Executor(Driver, Options with { ExecutorId = "unhurried" });
        (await executor.RunAsync(Request(Print("early ")), Token)).Stdout.Text.Should().Be("early late");
    }

    [Fact]
    public async Task Output_that_never_ends_is_given_up_and_cannot_change_the_result_any_more()
    {
        IOutputSink? kept = null;
        Driver.Output = async (output, sink, _) =>
        {
            await output;
            kept = sink;
            await Driver.Released;
        };
        var request = Request(Print("all of it"));
        var result = await Executor.RunAsync(request, Token).WaitAsync(Token);
        await Record.ExceptionAsync(async () => await kept!.WriteAsync(OutputStream.Stdout, "forged"u8.ToArray(), Token));
        result.Stdout.Text.Should().Be("all of it");
        result.Error.Should().Contain("did not end");
        (await Executor.WaitAsync(request.ExecutionId, Token)).Stdout.Text.Should().Be("all of it");
        (await Executor.ReadStdoutAsync(request.ExecutionId, Token)).Should().Be("all of it");
    }

    [Fact]
    public async Task A_wait_that_fails_means_that_the_backend_is_lost()
    {
        Driver.With(DriverCall.Wait, Fault.Throws);
        var result = await Executor.RunAsync(Request(Print("x"), Hang()), Token).WaitAsync(Token);
        result.Reason.Should().Be(TerminationReason.BackendLost);
        result.ExitCode.Should().Be(-1);
        result.Error.Should().Contain("The driver broke");
    }

    [Theory]
    [InlineData(Fault.Hangs)]
    [InlineData(Fault.HangsForGood)]
    public async Task An_end_that_is_never_reported_can_be_cancelled(Fault fault)
    {
        Driver.With(DriverCall.Wait, fault);
        var id = await StartAsync(Exit(0));
        await Executor.CancelAsync(id, Token).WaitAsync(Token);
        (await Executor.WaitAsync(id, Token)).Reason.Should().Be(TerminationReason.Cancelled);
    }

    [Theory]
    [InlineData(Fault.Hangs)]
    [InlineData(Fault.HangsForGood)]
    public async Task An_end_that_is_never_reported_times_out(Fault fault)
    {
        Driver.With(DriverCall.Wait, fault);
        var request = Request(Print("x"));
        var result = await Executor.RunAsync(request with { Timeouts = request.Timeouts with { Run = TimeSpan.FromSeconds(5) } }, Token).WaitAsync(Token);
        result.Reason.Should().Be(TerminationReason.TimedOut);
        result.Error.Should().Contain("kill");
    }

    [Fact]
    public async Task An_end_that_is_reported_too_early_is_believed_and_the_job_is_removed()
    {
        Driver.Exit = static (_, _) => Task.FromResult(new DriverExit { ExitCode = 0 });
        var request = Request(Print("x"), Hang());
        var result = await Executor.RunAsync(request, Token).WaitAsync(Token);
        result.Status.Should().Be(ExecutionStatus.Success);
        Backend.List().Should().BeEmpty();
    }

    [Fact]
    public async Task An_end_without_evidence_is_no_success()
    {
        Driver.Exit = static async (exit, _) => { await exit; return new DriverExit(); };
        var result = await Executor.RunAsync(Request(Exit(0)), Token).WaitAsync(Token);
        result.Status.Should().Be(ExecutionStatus.Failed);
        result.ExitCode.Should().Be(-1);
    }

    [Fact]
    public async Task An_end_that_is_nothing_leaves_nobody_waiting()
    {
        Driver.Exit = static async (exit, _) => { await exit; return null!; };
        var id = await StartAsync(Exit(0));
        var error = await Record.ExceptionAsync(() => Executor.WaitAsync(id, Token).WaitAsync(Token));
        if (error is not null) error.Should().BeOfType<ExecutorException>();
        (await Executor.GetStatusAsync(id, Token)).IsTerminal.Should().BeTrue();
    }

    [Fact]
    public async Task A_success_with_a_killed_child_is_a_success_and_a_failure_with_one_is_out_of_memory()
    {
        Driver.Exit = static async (exit, _) => await exit with { OutOfMemory = true };
        (await Executor.RunAsync(Request(Exit(0)), Token)).Reason.Should().Be(TerminationReason.Exited);
        (await Executor.RunAsync(Request(Exit(1)), Token)).Reason.Should().Be(TerminationReason.OutOfMemory);
    }

    [Theory]
    [InlineData(DriverCall.Stop, Fault.Throws)]
    [InlineData(DriverCall.Stop, Fault.Hangs)]
    [InlineData(DriverCall.Stop, Fault.HangsForGood)]
    public async Task A_stop_that_fails_is_followed_by_the_kill(DriverCall call, Fault fault)
    {
        Driver.With(call, fault);
        var id = await StartAsync(Print("ready\n"), Hang());
        await Executor.CancelAsync(id, Token).WaitAsync(Token);
        (await Executor.WaitAsync(id, Token)).Reason.Should().Be(TerminationReason.Cancelled);
        Driver.Calls.Should().Contain(DriverCall.Kill);
        Backend.List().Should().BeEmpty();
    }

    [Theory]
    [InlineData(Fault.Throws)]
    [InlineData(Fault.Hangs)]
    [InlineData(Fault.HangsForGood)]
    public async Task A_kill_that_fails_is_told_and_the_job_is_still_removed(Fault fault)
    {
        Driver.With(DriverCall.Kill, fault);
        var id = await StartAsync(OnSignal(Signal.Terminate), Print("ready\n"), Hang());
        await Executor.WaitForOutputAsync(id, "ready\n", Token);
        await Executor.CancelAsync(id, Token).WaitAsync(Token);
        var result = await Executor.WaitAsync(id, Token);
        result.Reason.Should().Be(TerminationReason.Cancelled);
        result.Error.Should().Contain("kill");
        Backend.List().Should().BeEmpty();
    }

    [Theory]
    [InlineData(Fault.Throws)]
    [InlineData(Fault.Hangs)]
    [InlineData(Fault.HangsForGood)]
    public async Task Outputs_that_cannot_be_collected_are_told(Fault fault)
    {
        Driver.With(DriverCall.Collect, fault);
        var request = Request(Exit(4)) with
        {
            ResultsDir = Path.Combine(Data, "results"),
            Outputs = [new StorageVolume { Source = "out", Target = "/out" }],
        };
        var result = await Executor.RunAsync(request, Token).WaitAsync(Token);
        result.Reason.Should().Be(TerminationReason.Exited);
        result.ExitCode.Should().Be(4);
        result.Error.Should().Contain("outputs are incomplete");
    }

    [Theory]
    [InlineData(DriverCall.Destroy, Fault.Throws)]
    [InlineData(DriverCall.Destroy, Fault.Hangs)]
    [InlineData(DriverCall.Destroy, Fault.HangsForGood)]
    [InlineData(DriverCall.Dispose, Fault.Throws)]
    [InlineData(DriverCall.Dispose, Fault.HangsForGood)]
    public async Task A_removal_that_fails_delays_the_result_but_does_not_change_it(DriverCall call, Fault fault)
    {
        Driver.With(call, fault);
        var request = Request(Print("x"), Exit(5));
        var result = await Executor.RunAsync(request, Token).WaitAsync(Token);
        result.Reason.Should().Be(TerminationReason.Exited);
        result.ExitCode.Should().Be(5);

        Driver.Heal();
        Driver.Release();
        await Executor.CleanupAsync(Token);
        await NothingIsLeftOf(request.ExecutionId);
    }
}
