using CsCheck;
using Ergon.Conformance;
using Ergon.Engine;
using Ergon.Tests.InMemory;

namespace Ergon.Tests.Engine;

/// <summary>The state machine: by its rules, and by what watchers see while anything is done to an execution in any order.</summary>
public sealed class StateMachineTests
{
    private static readonly HashSet<(ExecutionStatus From, ExecutionStatus To)> Allowed =
    [
        (ExecutionStatus.Pending, ExecutionStatus.Running),
        (ExecutionStatus.Running, ExecutionStatus.Paused),
        (ExecutionStatus.Running, ExecutionStatus.Success),
        (ExecutionStatus.Running, ExecutionStatus.Failed),
        (ExecutionStatus.Paused, ExecutionStatus.Running),
        (ExecutionStatus.Paused, ExecutionStatus.Success),
        (ExecutionStatus.Paused, ExecutionStatus.Failed),
    ];

    private enum Act
    {
        Pause,
        Resume,
        Signal,
        Cancel,
        Finish,
        Start,
        Remove,
    }

    [Fact]
    public void Exactly_the_moves_of_the_contract_are_allowed()
    {
        var statuses = Enum.GetValues<ExecutionStatus>();
        foreach (var from in statuses)
            foreach (var to in statuses)
                StatusRules.CanMove(from, to).Should().Be(Allowed.Contains((from, to)), "{0} -> {1}", from, to);
    }

    [Fact]
    public void No_sequence_of_moves_leaves_a_terminal_status()
    {
        Gen.Enum<ExecutionStatus>().Array[0, 30].Sample(moves =>
        {
            var status = ExecutionStatus.Pending;
            ExecutionStatus? terminal = null;
            foreach (var move in moves)
            {
                if (StatusRules.CanMove(status, move)) status = move;
                if (terminal is not null) Assert.Equal(terminal, status);
                else if (StatusRules.IsTerminal(status)) terminal = status;
            }
        });
    }

    [Theory]
    [InlineData(1)]
    [InlineData(4)]
    public async Task Whatever_is_done_at_one_time_every_watcher_sees_only_allowed_moves(int actors)
    {
        await Gen.Enum<Act>().Array[1, 15].Array[actors].SampleAsync(
            async scripts =>
            {
                var backend = new InMemoryBackend();
                await using var executor = new Executor(new InMemoryDriver(backend));
                using var deadline = new CancellationTokenSource(TimeSpan.FromSeconds(30));
                var request = Request();
                await using var events = executor.WatchAsync(new WatchRequest { JobId = request.JobId }, deadline.Token).GetAsyncEnumerator(deadline.Token);
                await executor.StartAsync(request, deadline.Token);
                await Task.WhenAll(scripts.Select(script => Task.Run(() => PlayAsync(executor, request, script, deadline.Token))));
                await executor.DisposeAsync();

                List<ExecutionEvent> seen = [];
                while (await events.MoveNextAsync()) seen.Add(events.Current);
                CheckMoves(seen);
                backend.List().Should().BeEmpty();
            },
            iter: 60,
            threads: 1);
    }

    private static void CheckMoves(List<ExecutionEvent> events)
    {
        ExecutionInfo? last = null;
        foreach (var e in events)
        {
            // An id that was removed may be used again: that is another execution, to be told apart by its time.
            if (last is not null && last.CreatedAt != e.Info.CreatedAt) last = null;
            if (last is not null && last.Status != e.Info.Status) Allowed.Should().Contain((last.Status, e.Info.Status));
            if (last is { IsTerminal: true }) e.Info.Should().Be(last);
            last = e.Info;
        }

        // What was still being prepared when the executor was disposed never came to run.
        (last!.IsTerminal || events[^1].Type == ExecutionEventType.StartFailed).Should().BeTrue();
        events.Select(e => e.Sequence).Should().BeInAscendingOrder();
        events.Where(e => e.Type != ExecutionEventType.Progress).Select(e => e.Sequence).Should().OnlyHaveUniqueItems();
    }

    private static async Task PlayAsync(Executor executor, ExecutionRequest request, Act[] script, CancellationToken token)
    {
        var id = request.ExecutionId;
        foreach (var act in script)
        {
            try
            {
                await (act switch
                {
                    Act.Pause => executor.PauseAsync(id, token),
                    Act.Resume => executor.ResumeAsync(id, token),
                    Act.Signal => executor.SignalAsync(id, Signal.User1, token),
                    Act.Cancel => executor.CancelAsync(id, token),
                    Act.Finish => executor.SignalAsync(id, Signal.Hangup, token),
                    Act.Start => executor.StartAsync(request, token),
                    _ => executor.RemoveAsync(id, TimeSpan.FromSeconds(20), token),
                });
            }
            catch (ExecutorException e) when (e.Code is ErrorCode.ExecutionNotFound or ErrorCode.InvalidState
                or ErrorCode.ExecutionAlreadyConcluded or ErrorCode.ExecutionAlreadyStarted or ErrorCode.Cancelled)
            {
                // What is not allowed in this state is refused; that is the point.
            }
        }
    }

    private static ExecutionRequest Request() => new()
    {
        JobId = JobId.Parse("states"),
        ExecutionId = ExecutionId.New(),
        EngineSpec = InMemoryDriver.Spec(new TestJob
        {
            Steps = [OnSignal(Signal.User1), OnSignal(Signal.Hangup, Exit(0)), Print("ready\n"), Hang()],
        }),
        Timeouts = new Timeouts { StopGrace = TimeSpan.Zero },
    };
}
