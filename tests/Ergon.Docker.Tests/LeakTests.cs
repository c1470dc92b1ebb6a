using Docker.DotNet.Models;

namespace Ergon.Docker.Tests;

/// <summary>What stays behind: nothing.</summary>
[Collection(nameof(Connecting.ProcessEnvironment))]
public sealed class LeakTests : DockerTests
{
    [Fact]
    public async Task Runs_leave_no_descriptor_no_container_and_no_unobserved_error()
    {
        Assert.SkipUnless(OperatingSystem.IsLinux(), "Descriptors are counted in /proc.");
        var executor = NewExecutor();
        List<Exception> unobserved = [];
        EventHandler<UnobservedTaskExceptionEventArgs> watch = (_, e) => { lock (unobserved) unobserved.Add(e.Exception); };
        TaskScheduler.UnobservedTaskException += watch;
        try
        {
            await ManyAsync(executor);
            var before = Descriptors();
            for (var i = 0; i < 5; i++) await ManyAsync(executor);
            Collect();
            Descriptors().Should().BeLessThan(before + 10, "{0} were open before 50 further executions", before);
            unobserved.Should().BeEmpty();
        }
        finally
        {
            TaskScheduler.UnobservedTaskException -= watch;
        }

        (await TestEngine.ContainersOfAsync(executor.ExecutorId, cancellationToken: Token)).Should().BeEmpty();
    }

    [Fact]
    public async Task A_start_that_is_cancelled_at_any_moment_leaves_no_container()
    {
        var executor = NewExecutor();
        for (var delay = 0; delay < 200; delay += 10)
        {
            using var cancellation = new CancellationTokenSource(TimeSpan.FromMilliseconds(delay), TimeProvider.System);
            var request = Request(Hanging()) with { ProvisionScripts = delay % 20 == 0 ? [] : [Script("nothing", "true")] };
            try
            {
                await executor.StartAsync(request, cancellation.Token);
                await executor.RemoveAsync(request.ExecutionId, TimeSpan.FromMinutes(1), Token);
            }
            catch (Exception e) when (e is OperationCanceledException or ExecutorException { Code: ErrorCode.Cancelled })
            {
                // Either is right, depending on how far it was.
            }
        }

        (await TestEngine.ContainersOfAsync(executor.ExecutorId, cancellationToken: Token)).Should().BeEmpty();
        (await executor.ListAsync(null, Token)).Should().BeEmpty();
    }

    [Fact]
    public async Task A_start_that_the_engine_refuses_leaves_no_container_and_no_volume()
    {
        var executor = NewExecutor();
        using var client = TestEngine.Connect();
        var request = Request(Hanging() with { User = "nobody-of-that-name" }) with { ProvisionScripts = [Script("nothing", "true")], Labels = new Dictionary<string, string> { ["a"] = "b" } };
        var volumes = (await client.Volumes.ListAsync(Token)).Volumes?.Count ?? 0;
        await Assert.ThrowsAsync<ExecutorException>(() => executor.StartAsync(request, Token));
        (await TestEngine.ContainersOfAsync(executor.ExecutorId, cancellationToken: Token)).Should().BeEmpty();
        ((await client.Volumes.ListAsync(Token)).Volumes?.Count ?? 0).Should().BeLessThanOrEqualTo(volumes);
    }

    // Ends of every kind.
    private async Task ManyAsync(Executor executor)
    {
        await Task.WhenAll(Enumerable.Range(0, 10).Select(async i =>
        {
            var request = Request(i % 5 == 0 ? Hanging() : Shell($"echo {i}; exit {i}"));
            await executor.StartAsync(request, Token);
            if (i == 0) await executor.CancelAsync(request.ExecutionId, Token);
            if (i == 5) await KillAsync(executor, request.ExecutionId);
            await executor.WaitAsync(request.ExecutionId, Token);
            await executor.RemoveAsync(request.ExecutionId, TimeSpan.FromMinutes(1), Token);
        }));
    }

    private async Task KillAsync(Executor executor, ExecutionId id)
    {
        await using var session = await executor.ExecAsync(id, new ExecRequest { Command = ["sleep", "1000"] }, Token);
        await using var stats = executor.GetStatsAsync(id, Token).GetAsyncEnumerator(Token);
        (await stats.MoveNextAsync()).Should().BeTrue();
        using var client = TestEngine.Connect();
        await client.Containers.KillContainerAsync(ContainerSpec.NameOf(executor.ExecutorId, id), new ContainerKillParameters { Signal = "KILL" }, Token);
    }

    private static int Descriptors() => Directory.GetFiles("/proc/self/fd").Length;

    private static void Collect()
    {
        for (var i = 0; i < 3; i++)
        {
            GC.Collect();
            GC.WaitForPendingFinalizers();
        }
    }
}
