namespace Ergon.Linux.Tests;

/// <summary>A script the second half of which a child process executes.</summary>
public sealed class DividedLaunchTests
{
    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Collections_do_not_disturb_a_process_that_goes_on_with_a_script()
    {
        using var events = new KernelEvents();
        using var done = new CancellationTokenSource();
        var garbage = Task.Run(
            async () =>
            {
                while (!done.IsCancellationRequested)
                {
                    GC.Collect(0, GCCollectionMode.Forced, blocking: true);

                    // Without a moment in between, nothing else would come to run.
                    await Task.Delay(1, Token);
                }
            },
            Token);
        var launches = Enumerable.Range(0, 2).Select(async _ =>
        {
            for (var i = 0; i < 5; i++) (await LaunchAsync(events)).Succeeded.Should().BeTrue();
        });
        await Task.WhenAll(launches);
        await done.CancelAsync();
        await garbage;
    }

    [Fact]
    public async Task A_step_that_fails_in_the_process_is_told_and_what_comes_last_is_done_all_the_same()
    {
        using var events = new KernelEvents();
        using var script = new LaunchScript();
        script.Divide();
        var failing = script.Count;
        script.ChangeDirectory("/nowhere/at/all");
        script.Finally();
        var last = script.NewSlot();
        script.Call("ask for the thread", SystemCallNumbers.GetThreadId, result: last);
        var outcome = await script.RunAsync(events);
        (outcome.FailedStep, outcome.Errno).Should().Be((failing, Errno.NoEntry));
        ((int)script.Result(last)).Should().Be(script.ThreadId);
    }

    private static async Task<LaunchOutcome> LaunchAsync(KernelEvents events)
    {
        using var script = new LaunchScript();
        script.Divide();
        for (var i = 0; i < 60; i++) script.ChangeDirectory("/");
        return await script.RunAsync(events);
    }
}
