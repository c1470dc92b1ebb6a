using Ergon.Conformance;
using Ergon.Storage;
using Ergon.Tests.Faults;
using Ergon.Tests.InMemory;

namespace Ergon.Tests.Storage;

/// <summary>What the tests of executors with a store share.</summary>
public abstract class StoreTests : IAsyncDisposable
{
    private readonly CancellationTokenSource _deadline = new(TimeSpan.FromSeconds(30));
    private readonly string _data = Directory.CreateTempSubdirectory("stores-").FullName;
    private readonly List<Executor> _executors = [];

    internal InMemoryBackend Backend { get; } = new();

    internal MemoryExecutionStore Store { get; } = new();

    /// <summary>Cancelled when the engine hangs.</summary>
    protected CancellationToken Token => _deadline.Token;

    protected static ExecutionRequest Request(params Step[] steps) => new()
    {
        JobId = JobId.Parse("stored"),
        ExecutionId = ExecutionId.New(),
        EngineSpec = InMemoryDriver.Spec(new TestJob { Steps = steps }),
        Timeouts = new Timeouts { StopGrace = TimeSpan.FromSeconds(2) },
    };

    protected Executor Create(Func<ExecutorOptions, ExecutorOptions>? change = null, TimeProvider? time = null)
    {
        var options = new ExecutorOptions { ExecutorId = "stores", DataDirectory = _data, Store = Store, DisposeBehavior = DisposeBehavior.Detach };
        var executor = new Executor(new InMemoryDriver(Backend), change?.Invoke(options) ?? options, timeProvider: time ?? new FastTime());
        _executors.Add(executor);
        return executor;
    }

    protected async Task<ExecutorException> Fails(ErrorCode code, Func<Task> act)
    {
        var error = await Assert.ThrowsAsync<ExecutorException>(() => act().WaitAsync(Token));
        Assert.True(error.Code == code, $"Expected {code}, but was {error.Code}: {error.Message}");
        return error;
    }

    protected string DirectoryOf(ExecutionId id) => Path.Combine(_data, "stores", id.Value);

    public async ValueTask DisposeAsync()
    {
        GC.SuppressFinalize(this);
        Store.Before = static _ => Task.CompletedTask;
        foreach (var executor in _executors) await executor.DisposeAsync().AsTask().WaitAsync(Token);
        await using (var tidy = Create())
        {
            await tidy.RecoverAsync(Token);
            await tidy.CleanupAsync(Token);
        }

        Backend.List().Should().BeEmpty();
        Directory.EnumerateDirectories(Path.Combine(_data, "stores")).Should().BeEmpty();
        (await Store.LoadAsync("stores", Token)).Executions.Should().BeEmpty();
        Directory.Delete(_data, recursive: true);
        _deadline.Dispose();
    }

    /// <summary>Holds back the changes of which a test says so.</summary>
    internal sealed class Hold(MemoryExecutionStore store)
    {
        private readonly TaskCompletionSource _released = new(TaskCreationOptions.RunContinuationsAsynchronously);
        private readonly TaskCompletionSource _reached = new(TaskCreationOptions.RunContinuationsAsynchronously);

        /// <summary>Completes when such a change is about to be stored.</summary>
        public Task Reached => _reached.Task;

        public static Hold Before(MemoryExecutionStore store, Predicate<ExecutionChange> which)
        {
            var hold = new Hold(store);
            store.Before = change =>
            {
                if (!which(change)) return Task.CompletedTask;
                hold._reached.TrySetResult();
                return hold._released.Task;
            };
            return hold;
        }

        /// <summary>Fails the change that is held back, and lets the test say what happens to others.</summary>
        public void Fail(ExecutorException error) => _released.TrySetException(error);

        public void Release()
        {
            store.Before = static _ => Task.CompletedTask;
            _released.TrySetResult();
        }
    }
}
