namespace Ergon.Conformance;

/// <summary>How a job's own end is reported.</summary>
public abstract class ExitCodeConformance(ConformanceFixture fixture) : ConformanceTests(fixture)
{
    [Fact]
    public async Task A_job_that_exits_with_0_is_a_success()
    {
        var result = await RunAsync(Exit(0));
        result.Status.Should().Be(ExecutionStatus.Success);
        result.Reason.Should().Be(TerminationReason.Exited);
        result.ExitCode.Should().Be(0);
        result.Signal.Should().BeNull();
        result.Error.Should().BeNull();
        result.Killed.Should().BeFalse();
    }

    [Theory]
    [InlineData(1)]
    [InlineData(42)]
    [InlineData(126)]
    [InlineData(127)]
    [InlineData(255)]
    public async Task A_job_that_exits_with_another_code_has_failed_with_that_code(int code)
    {
        var result = await RunAsync(Exit(code));
        result.Status.Should().Be(ExecutionStatus.Failed);
        result.Reason.Should().Be(TerminationReason.Exited);
        result.ExitCode.Should().Be(code);
        result.Killed.Should().BeFalse();
    }

    [Fact]
    public async Task A_job_that_exits_with_137_by_itself_was_not_killed_and_not_out_of_memory()
    {
        var result = await RunAsync(Exit(137));
        result.Reason.Should().Be(TerminationReason.Exited);
        result.ExitCode.Should().Be(137);
        result.Signal.Should().BeNull();
        result.Killed.Should().BeFalse();
    }

    [Fact]
    public async Task A_command_that_does_not_exist_ends_with_127_and_says_so()
    {
        var result = await RunAsync(Request(new TestJob { Program = ["/no/such/command", "argument"] }));
        result.Status.Should().Be(ExecutionStatus.Failed);
        result.Reason.Should().Be(TerminationReason.Exited);
        result.ExitCode.Should().Be(127);
        result.Error.Should().Contain("/no/such/command");
    }

    [Fact]
    public async Task A_bare_command_name_that_is_not_on_the_path_ends_with_127()
    {
        var result = await RunAsync(Request(new TestJob { Program = ["no-such-command-anywhere"] }));
        result.ExitCode.Should().Be(127);
        result.Error.Should().Contain("no-such-command-anywhere");
    }

    [Fact]
    public async Task A_file_that_cannot_be_executed_ends_with_126_and_says_so()
    {
        var result = await RunAsync(Request(new TestJob { Program = ["/etc/passwd"] }));
        result.Status.Should().Be(ExecutionStatus.Failed);
        result.Reason.Should().Be(TerminationReason.Exited);
        result.ExitCode.Should().Be(126);
        result.Error.Should().Contain("/etc/passwd");
    }

    [Fact]
    public async Task A_job_that_comes_to_the_end_of_its_steps_is_a_success() =>
        (await RunAsync(Print("done"))).Status.Should().Be(ExecutionStatus.Success);

    [Fact]
    public async Task The_result_names_the_execution_and_its_times_are_in_order()
    {
        var request = Request(Exit(3));
        var result = await RunAsync(request);
        result.JobId.Should().Be(request.JobId);
        result.ExecutionId.Should().Be(request.ExecutionId);
        result.CreatedAt.Should().BeOnOrBefore(result.StartedAt);
        result.StartedAt.Should().BeOnOrBefore(result.FinishedAt);
        result.CreatedAt.Offset.Should().Be(TimeSpan.Zero);
    }

    [Fact]
    public async Task Processes_that_the_job_leaves_behind_do_not_delay_its_result()
    {
        var result = await RunAsync(Request(Background(Hang()), Print("done"), Exit(5)) with
        {
            Timeouts = new Timeouts { Run = TimeSpan.FromMinutes(1) },
        });
        result.Reason.Should().Be(TerminationReason.Exited);
        result.ExitCode.Should().Be(5);
        result.Stdout.Text.Should().Be("done");
    }
}
