using Ergon.Conformance;
using Ergon.Tests.InMemory;

namespace Ergon.Tests.Engine;

/// <summary>The id of an execution that was removed.</summary>
public sealed class ReuseTests
{
    private const int Rounds = 300;
    private const int ManyFiles = 60;

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Fact]
    public async Task A_removal_never_takes_what_belongs_to_the_next_execution_of_the_id()
    {
        var data = Directory.CreateTempSubdirectory("reuse-").FullName;
        try
        {
            await using var executor = new Executor(new InMemoryDriver(new InMemoryBackend()), new ExecutorOptions { ExecutorId = "reuse", DataDirectory = data });
            var id = ExecutionId.Parse("again");
            for (var round = 0; round < Rounds; round++)
            {
                await executor.RunAsync(Request(id, $"{round}"), Token);
                // A directory that takes its time to be deleted.
                var work = Directory.CreateDirectory(Path.Combine(data, "reuse", id.Value, "work")).FullName;
                for (var i = 0; i < ManyFiles; i++) await File.WriteAllBytesAsync(Path.Combine(work, $"{i}"), [], Token);
                var removal = Task.Run(() => executor.RemoveAsync(id, TimeSpan.FromSeconds(20), Token), Token);
                await StartWhenFreeAsync(executor, Request(id, $"next {round}"));
                await removal;
                (await executor.WaitAsync(id, Token)).Stdout.Text.Should().Be($"next {round}");
                await executor.RemoveAsync(id, TimeSpan.FromSeconds(20), Token);
            }
        }
        finally
        {
            Directory.Delete(data, recursive: true);
        }
    }

    private static async Task StartWhenFreeAsync(Executor executor, ExecutionRequest request)
    {
        while (true)
        {
            try
            {
                await executor.StartAsync(request, Token);
                return;
            }
            catch (ExecutorException e) when (e.Code == ErrorCode.ExecutionAlreadyConcluded)
            {
                await Task.Yield();
            }
        }
    }

    private static ExecutionRequest Request(ExecutionId id, string output) => new()
    {
        JobId = JobId.Parse("reuse"),
        ExecutionId = id,
        EngineSpec = InMemoryDriver.Spec(new TestJob { Steps = [Print(output)] }),
    };
}
