using Ergon.Conformance;
using Ergon.Tests.InMemory;
using Microsoft.Extensions.DependencyInjection;

namespace Ergon.Tests.Engine;

/// <summary>Executors in a service collection, their own directory, and slow watchers.</summary>
public sealed class HostingTests
{
    private static CancellationToken Token => TestContext.Current.CancellationToken;

    // One for each test: their temporary directories are told apart by it.
    private readonly ExecutionRequest _request = new()
    {
        JobId = JobId.Parse("hosting"),
        ExecutionId = ExecutionId.New(),
        EngineSpec = InMemoryDriver.Spec(new TestJob { Steps = [Print("hosted")] }),
    };

    [Fact]
    public async Task An_executor_is_had_by_its_name_and_the_first_one_without()
    {
        await using var services = new ServiceCollection().AddErgon()
            .AddExecutor(InMemoryDriver.DriverName, _ => new InMemoryDriver(new InMemoryBackend()))
            .AddExecutor("second", _ => new InMemoryDriver(new InMemoryBackend()))
            .Services.BuildServiceProvider();
        var executor = services.GetRequiredService<IExecutor>();
        services.GetRequiredKeyedService<IExecutor>(InMemoryDriver.DriverName).Should().BeSameAs(executor);
        services.GetRequiredKeyedService<Executor>(InMemoryDriver.DriverName).Should().BeSameAs(executor);
        services.GetRequiredKeyedService<IExecutor>("second").Should().NotBeSameAs(executor);
        (await executor.RunAsync(_request, Token)).Stdout.Text.Should().Be("hosted");
    }

    [Fact]
    public async Task Options_are_those_of_the_executor_or_of_all()
    {
        await using var services = new ServiceCollection().AddErgon(new ExecutorOptions { ExecutorId = "of-all" })
            .AddExecutor("first", _ => new InMemoryDriver(new InMemoryBackend()))
            .AddExecutor("second", _ => new InMemoryDriver(new InMemoryBackend()), new ExecutorOptions { ExecutorId = "its-own" })
            .Services.BuildServiceProvider();
        services.GetRequiredKeyedService<IExecutor>("first").ExecutorId.Should().Be("of-all");
        services.GetRequiredKeyedService<IExecutor>("second").ExecutorId.Should().Be("its-own");
    }

    [Fact]
    public async Task Disposing_the_services_disposes_the_executors()
    {
        var services = new ServiceCollection().AddErgon()
            .AddExecutor(InMemoryDriver.DriverName, _ => new InMemoryDriver(new InMemoryBackend())).Services.BuildServiceProvider();
        var executor = services.GetRequiredService<IExecutor>();
        await services.DisposeAsync();
        (await Assert.ThrowsAsync<ExecutorException>(() => executor.StartAsync(_request, Token))).Code.Should().Be(ErrorCode.ExecutorClosed);
    }

    [Fact]
    public async Task Without_a_data_directory_nothing_is_left_on_disk()
    {
        string directory;
        await using (var executor = new Executor(new InMemoryDriver(new InMemoryBackend())))
        {
            await executor.RunAsync(_request, Token);
            directory = Directory.GetDirectories(Path.GetTempPath(), "ergon-*")
                .Should().ContainSingle(d => Directory.Exists(Path.Combine(d, _request.ExecutionId.Value))).Subject;
        }

        Directory.Exists(directory).Should().BeFalse();
    }

    [Theory]
    [InlineData("")]
    [InlineData("../up")]
    [InlineData("with space")]
    public void An_executor_id_that_is_none_is_refused(string id)
    {
        var create = () => new Executor(new InMemoryDriver(new InMemoryBackend()), new ExecutorOptions { ExecutorId = id });
        create.Should().Throw<ArgumentException>().WithMessage($"*{Identifier.Rule}*");
    }

    [Fact]
    public async Task A_watcher_that_does_not_read_is_ended_and_disturbs_nobody()
    {
        var backend = new InMemoryBackend();
        await using var executor = new Executor(new InMemoryDriver(backend));
        await using var slow = executor.WatchAsync(null, Token).GetAsyncEnumerator(Token);
        for (var i = 0; i < 2100; i++) await executor.RunAsync(_request with { ExecutionId = ExecutionId.New(), PersistLogs = TimeSpan.Zero }, Token);
        var error = await Assert.ThrowsAsync<ExecutorException>(async () =>
        {
            while (await slow.MoveNextAsync()) slow.Current.Sequence.Should().BePositive();
        });
        error.Code.Should().Be(ErrorCode.WatcherTooSlow);
    }
}
