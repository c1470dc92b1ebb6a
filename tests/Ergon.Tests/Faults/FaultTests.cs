using Ergon.Conformance;
using Ergon.Tests.InMemory;

namespace Ergon.Tests.Faults;

/// <summary>What the tests with a faulty driver share: an executor on one, in fast time, and the audit of what is left.</summary>
public abstract class FaultTests : IAsyncDisposable
{
    private readonly CancellationTokenSource _deadline = new(TimeSpan.FromSeconds(30));
    private readonly string _data = Directory.CreateTempSubdirectory("faults-").FullName;

    protected FaultTests()
    {
        Driver = new FaultyDriver(new InMemoryDriver(Backend));
        Executor = new Executor(Driver, Options, timeProvider: new FastTime());
    }

    internal InMemoryBackend Backend { get; } = new();

    internal FaultyDriver Driver { get; }

    protected Executor Executor { get; }

    /// <summary>Cancelled when the engine hangs.</summary>
    protected CancellationToken Token => _deadline.Token;

    protected string Data => _data;

    protected ExecutorOptions Options => new()
    {
        ExecutorId = "faults",
        DataDirectory = _data,
        DriverTimeout = TimeSpan.FromSeconds(10),
        OutputDrainTimeout = TimeSpan.FromSeconds(10),
    };

    protected static ExecutionRequest Request(params Step[] steps) => new()
    {
        JobId = JobId.Parse("faults"),
        ExecutionId = ExecutionId.New(),
        EngineSpec = InMemoryDriver.Spec(new TestJob { Steps = steps }),
        Timeouts = new Timeouts { Prepare = TimeSpan.FromMinutes(2), StopGrace = TimeSpan.FromSeconds(2) },
    };

    protected async Task<ExecutionId> StartAsync(params Step[] steps)
    {
        var request = Request(steps);
        await Executor.StartAsync(request, Token);
        return request.ExecutionId;
    }

    protected async Task<ExecutorException> Fails(ErrorCode code, Func<Task> act)
    {
        var error = await Assert.ThrowsAsync<ExecutorException>(() => act().WaitAsync(Token));
        Assert.True(error.Code == code, $"Expected {code}, but was {error.Code}: {error.Message}");
        return error;
    }

    /// <summary>Fails when anything is left of an execution: in the list, in the backend, or on disk.</summary>
    protected async Task NothingIsLeftOf(ExecutionId id)
    {
        await Fails(ErrorCode.ExecutionNotFound, () => Executor.GetStatusAsync(id, Token));
        while (Backend.Find("faults", id) is not null) await Task.Delay(TimeSpan.FromMilliseconds(5), TimeProvider.System, Token);
        Directory.EnumerateFileSystemEntries(_data, id.Value, SearchOption.AllDirectories).Should().BeEmpty();
    }

    public async ValueTask DisposeAsync()
    {
        GC.SuppressFinalize(this);
        Driver.Heal();
        Driver.Release();
        await Executor.DisposeAsync().AsTask().WaitAsync(Token);
        await using (var tidy = new Executor(new InMemoryDriver(Backend), Options))
            await tidy.CleanupAsync(Token);
        Backend.List().Should().BeEmpty();
        while (!Driver.Open.IsEmpty) await Task.Delay(TimeSpan.FromMilliseconds(5), TimeProvider.System, Token);
        Directory.Delete(_data, recursive: true);
        _deadline.Dispose();
    }
}
