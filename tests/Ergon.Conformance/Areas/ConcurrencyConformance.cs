namespace Ergon.Conformance;

/// <summary>Many executions at one time, none of which notices the others.</summary>
public abstract class ConcurrencyConformance(ConformanceFixture fixture) : ConformanceTests(fixture)
{
    [Fact]
    public async Task Many_executions_run_at_one_time_and_each_gets_its_own_result()
    {
        var results = await Task.WhenAll(Enumerable.Range(0, Fixture.ConcurrentExecutions).Select(i =>
            RunAsync(Print($"I am {i}\n"), PrintError($"error {i}\n"), PrintPattern(OutputStream.Stdout, 10_000), Exit(i))));
        for (var i = 0; i < results.Length; i++)
        {
            results[i].ExitCode.Should().Be(i);
            results[i].Stdout.Text.Should().StartWith($"I am {i}\n").And.HaveLength(10_000 + $"I am {i}\n".Length);
            results[i].Stderr.Text.Should().Be($"error {i}\n");
        }
    }

    [Fact]
    public async Task Cancelling_some_of_many_spares_the_others()
    {
        var ids = await Task.WhenAll(Enumerable.Range(0, 12).Select(i => StartAsync(WaitForSignal(Signal.User1), Exit(i))));
        foreach (var id in ids) await Executor.WaitForOutputAsync(id, "waiting\n", Token);
        await Task.WhenAll(ids.Where((_, i) => i % 2 == 0).Select(id => Executor.CancelAsync(id, Token)));
        await Task.WhenAll(ids.Where((_, i) => i % 2 == 1).Select(id => Executor.SignalAsync(id, Signal.User1, Token)));

        var results = await Task.WhenAll(ids.Select(WaitAsync));
        for (var i = 0; i < results.Length; i++)
        {
            results[i].Reason.Should().Be(i % 2 == 0 ? TerminationReason.Cancelled : TerminationReason.Exited);
            if (i % 2 == 1) results[i].ExitCode.Should().Be(i);
        }
    }

    [Fact]
    public async Task Starting_cancelling_and_removing_at_the_same_time_leaves_nothing()
    {
        var job = JobId.Parse($"churn-{Guid.NewGuid():n}");
        await Task.WhenAll(Enumerable.Range(0, 10).Select(async i =>
        {
            var request = Request(Hang()) with { JobId = job, Timeouts = new Timeouts { StopGrace = TimeSpan.Zero } };
            await StartAsync(request);
            var id = request.ExecutionId;
            var removal = Executor.RemoveAsync(id, TimeSpan.FromMinutes(1), Token);
            if (i % 2 == 0)
            {
                // Whichever comes first wins, and the other says so.
                var error = await Record.ExceptionAsync(() => Executor.CancelAsync(id, Token));
                if (error is not null)
                    error.Should().BeOfType<ExecutorException>().Which.Code.Should().BeOneOf(ErrorCode.ExecutionAlreadyConcluded, ErrorCode.ExecutionNotFound);
            }

            await removal;
        }));
        (await Executor.ListAsync(new ListRequest { JobId = job }, Token)).Should().BeEmpty();
    }
}
