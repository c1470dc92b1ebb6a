using Ergon.Admission;
using Ergon.Conformance;
using Ergon.Tests.InMemory;
using Ergon.Tests.Storage;

namespace Ergon.Tests.Admission;

/// <summary>What executions may take together, and who waits for it.</summary>
public sealed class AdmissionTests : StoreTests
{
    private const long Gigabyte = 1L << 30;

    [Fact]
    public async Task Who_finds_no_room_waits_and_begins_when_there_is()
    {
        var executor = Create(new AdmissionOptions { MaxExecutions = 1 });
        var (first, second, third) = (Request(Hang()), Request(Exit(2)), Request(Exit(3)));
        await executor.StartAsync(first, Token);
        var starts = new[] { executor.RunAsync(second, Token), executor.RunAsync(third, Token) };
        (await PositionAsync(executor, second)).Should().Be(1);
        (await PositionAsync(executor, third)).Should().Be(2);
        (await executor.ListAsync(null, Token)).Select(i => i.QueuePosition).Should().Equal(null, 1, 2);
        Backend.List().Should().ContainSingle();

        await executor.CancelAsync(first.ExecutionId, Token);
        (await Task.WhenAll(starts).WaitAsync(Token)).Select(r => r.ExitCode).Should().Equal(2, 3);
        (await executor.ListAsync(null, Token)).Should().OnlyContain(i => i.QueuePosition == null);
    }

    [Fact]
    public async Task A_higher_priority_comes_first_and_among_equals_who_came_first()
    {
        var executor = Create(new AdmissionOptions { MaxExecutions = 1 });
        var first = Request(Hang());
        await executor.StartAsync(first, Token);
        var priorities = new[] { 0, 5, -5, 5, 0 };
        var requests = priorities.Select(p => Request(Exit(0)) with { Priority = p }).ToList();
        var runs = requests.Select(r => executor.RunAsync(r, Token)).ToList();
        var positions = new List<int?>();
        foreach (var request in requests) positions.Add((await executor.GetStatusAsync(request.ExecutionId, Token)).QueuePosition);
        positions.Should().Equal(3, 1, 5, 2, 4);

        await executor.CancelAsync(first.ExecutionId, Token);
        await Task.WhenAll(runs).WaitAsync(Token);
        var started = (await executor.ListAsync(null, Token)).Where(i => i.ExecutionId != first.ExecutionId).OrderBy(i => i.StartedAt).Select(i => i.ExecutionId);
        started.Should().Equal(new[] { 1, 3, 0, 4, 2 }.Select(i => requests[i].ExecutionId));
    }

    [Fact]
    public async Task What_is_small_does_not_overtake_what_is_large()
    {
        var executor = Create(new AdmissionOptions { Total = new ResourceLimits { Memory = 4 * Gigabyte } });
        var (running, large, small) = (Sized(2 * Gigabyte, Hang()), Sized(3 * Gigabyte, Hang()), Sized(Gigabyte, Exit(0)));
        await executor.StartAsync(running, Token);
        var starts = new[] { executor.StartAsync(large, Token), executor.StartAsync(small, Token) };
        (await PositionAsync(executor, small)).Should().Be(2);
        await executor.CancelAsync(running.ExecutionId, Token);
        await Task.WhenAll(starts).WaitAsync(Token);
        await executor.WaitAsync(small.ExecutionId, Token);
    }

    [Fact]
    public async Task When_too_many_wait_the_next_is_refused_at_once_and_leaves_nothing()
    {
        var executor = Create(new AdmissionOptions { MaxExecutions = 1, MaxQueued = 1 });
        var (running, waiting, refused) = (Request(Hang()), Request(Exit(0)), Request(Exit(0)));
        await executor.StartAsync(running, Token);
        var start = executor.StartAsync(waiting, Token);
        var error = await Fails(ErrorCode.ResourcesUnavailable, () => executor.StartAsync(refused, Token));
        error.IsTransient.Should().BeTrue();
        await Fails(ErrorCode.ExecutionNotFound, () => executor.GetStatusAsync(refused.ExecutionId, Token));
        Directory.Exists(DirectoryOf(refused.ExecutionId)).Should().BeFalse();
        await executor.CancelAsync(running.ExecutionId, Token);
        await start;
        (await executor.RunAsync(refused, Token)).ExitCode.Should().Be(0);
    }

    [Fact]
    public async Task What_can_never_be_had_is_refused_with_all_that_is_too_much()
    {
        var executor = Create(new AdmissionOptions
        {
            Total = new ResourceLimits { Memory = 8 * Gigabyte, Gpus = 1 },
            PerRequest = new ResourceLimits { Cpu = 2, Memory = 2 * Gigabyte },
        });
        var request = Request(Exit(0)) with { Resources = new Resources { Cpu = 3, Memory = 3 * Gigabyte, Gpus = [new Gpu(), new Gpu()] } };
        var error = await Fails(ErrorCode.InvalidRequest, () => executor.StartAsync(request, Token));
        error.Problems.Where(p => p.Kind == RequestProblemKind.Forbidden).Select(p => p.Field).Should().Equal("resources.cpu", "resources.memory", "resources.gpus");
    }

    [Fact]
    public async Task Waiting_does_not_eat_the_time_to_prepare()
    {
        var executor = Create(new AdmissionOptions { MaxExecutions = 1 });
        var running = Request(Hang());
        await executor.StartAsync(running, Token);
        // In fast time: 25 seconds are one.
        var waiting = Request(Exit(0)) with { Timeouts = new Timeouts { Prepare = TimeSpan.FromSeconds(5) } };
        var run = executor.RunAsync(waiting, Token);
        await Task.Delay(TimeSpan.FromSeconds(0.5), TimeProvider.System, Token);
        run.IsCompleted.Should().BeFalse();
        await executor.CancelAsync(running.ExecutionId, Token);
        (await run.WaitAsync(Token)).ExitCode.Should().Be(0);

        var hanging = Request() with { EngineSpec = InMemoryDriver.Spec(new TestJob(), prepare: "hang"), Timeouts = waiting.Timeouts };
        await Fails(ErrorCode.PrepareTimedOut, () => executor.StartAsync(hanging, Token));
    }

    [Fact]
    public async Task Who_waits_can_be_cancelled_and_leaves_the_queue()
    {
        var executor = Create(new AdmissionOptions { MaxExecutions = 1 });
        var (running, cancelled, abandoned, last) = (Request(Hang()), Request(Exit(0)), Request(Exit(0)), Request(Exit(0)));
        await executor.StartAsync(running, Token);
        var first = executor.StartAsync(cancelled, Token);
        using var caller = new CancellationTokenSource();
        var second = executor.StartAsync(abandoned, caller.Token);
        var third = executor.StartAsync(last, Token);
        (await PositionAsync(executor, last)).Should().Be(3);

        await executor.CancelAsync(cancelled.ExecutionId, Token);
        await Fails(ErrorCode.Cancelled, () => first);
        await caller.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => second);
        (await PositionAsync(executor, last)).Should().Be(1);
        await executor.CancelAsync(running.ExecutionId, Token);
        await third.WaitAsync(Token);
    }

    [Fact]
    public async Task Executors_share_what_there_is()
    {
        var control = new AdmissionControl(new AdmissionOptions { MaxExecutions = 1 });
        var one = Create(o => o with { Admission = control });
        await using var other = new Executor(new InMemoryDriver(Backend), new ExecutorOptions { Admission = control });
        var running = Request(Hang());
        await one.StartAsync(running, Token);
        var waiting = Request(Exit(0));
        var run = other.RunAsync(waiting, Token);
        (await PositionAsync(other, waiting)).Should().Be(1);
        await one.CancelAsync(running.ExecutionId, Token);
        (await run.WaitAsync(Token)).ExitCode.Should().Be(0);
        (control.Admitted, control.Queued).Should().Be((0, 0));
    }

    [Fact]
    public async Task What_is_found_again_has_its_share_without_waiting_and_nothing_is_lost_by_failed_starts()
    {
        var running = Request(Hang());
        var first = Create(new AdmissionOptions { MaxExecutions = 1 });
        await first.StartAsync(running, Token);
        await first.DisposeAsync();

        var control = new AdmissionControl(new AdmissionOptions { MaxExecutions = 1 });
        var second = Create(o => o with { Admission = control });
        await second.RecoverAsync(Token);
        control.Admitted.Should().Be(1);
        var failing = Request() with { EngineSpec = InMemoryDriver.Spec(new TestJob(), start: "fail") };
        var starts = Enumerable.Range(0, 3).Select(_ => Fails(ErrorCode.BackendFailed, () => second.StartAsync(failing with { ExecutionId = ExecutionId.New() }, Token))).ToList();
        control.Queued.Should().Be(3);
        await second.CancelAsync(running.ExecutionId, Token);
        await Task.WhenAll(starts);
        (control.Admitted, control.Queued).Should().Be((0, 0));
    }

    [Fact]
    public async Task Fractions_of_cores_leave_nothing_over()
    {
        var control = new AdmissionControl(new AdmissionOptions { Total = new ResourceLimits { Cpu = 1 } });
        var tickets = Enumerable.Range(0, 10).Select(_ => control.Enter(Request() with { Resources = new Resources { Cpu = 0.1 } })).ToList();
        tickets.Should().OnlyContain(t => t.Granted.IsCompleted);
        var whole = control.Enter(Request() with { Resources = new Resources { Cpu = 1 } });
        foreach (var ticket in tickets)
        {
            whole.Granted.IsCompleted.Should().BeFalse();
            ticket.Dispose();
        }

        await whole.Granted;
        whole.Dispose();
    }

    private static ExecutionRequest Sized(long memory, params Step[] steps) => Request(steps) with { Resources = new Resources { Memory = memory } };

    private Executor Create(AdmissionOptions options) => Create(o => o with { Admission = new AdmissionControl(options) });

    private async Task<int?> PositionAsync(Executor executor, ExecutionRequest request)
    {
        // The start is asynchronous up to the queue.
        while (true)
        {
            try
            {
                return (await executor.GetStatusAsync(request.ExecutionId, Token)).QueuePosition;
            }
            catch (ExecutorException e) when (e.Code == ErrorCode.ExecutionNotFound)
            {
                await Task.Delay(TimeSpan.FromMilliseconds(1), TimeProvider.System, Token);
            }
        }
    }
}
