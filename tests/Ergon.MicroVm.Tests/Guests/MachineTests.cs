using Ergon.MicroVm.Qemu;
using Ergon.MicroVm.Tests.Conformance;

namespace Ergon.MicroVm.Tests.Guests;

/// <summary>Tests that look at the machines of an executor from outside; after each, nothing may be left of them.</summary>
public abstract class MachineTests(QemuFixture fixture) : IAsyncLifetime
{
    private protected static readonly TimeSpan Look = TimeSpan.FromMilliseconds(10);

    /// <summary>The id of the test's executors.</summary>
    protected string ExecutorId { get; } = $"vm-tests-{Guid.NewGuid():n}";

    /// <summary>Their data directory.</summary>
    protected string Data { get; } = fixture.SkipReason is null ? fixture.NewDirectory() : "";

    /// <summary>The fixture.</summary>
    protected QemuFixture Fixture => fixture;

    /// <summary>Cancelled when the test is.</summary>
    protected static CancellationToken Token => TestContext.Current.CancellationToken;

    public ValueTask InitializeAsync()
    {
        Assert.SkipWhen(fixture.SkipReason is not null, fixture.SkipReason ?? "");
        return ValueTask.CompletedTask;
    }

    public virtual async ValueTask DisposeAsync()
    {
        GC.SuppressFinalize(this);
        if (fixture.SkipReason is not null) return;
        await using (var executor = NewExecutor(fixture.Options)) await executor.CleanupAsync();
        HostView.Leftovers([ExecutorId]).Should().BeEmpty();
        Directory.Exists(Path.Combine(fixture.Options.CacheDirectory!, "machines", QemuExecutor.Type, ExecutorId)).Should().BeFalse();
    }

    /// <summary>Makes an executor that leaves its machines to the next one.</summary>
    protected Executor NewExecutor(QemuOptions options) => QemuExecutor.Create(
        options, new ExecutorOptions { ExecutorId = ExecutorId, DataDirectory = Data, DisposeBehavior = DisposeBehavior.Detach });

    /// <summary>A request to run a shell script in the fixture's image.</summary>
    protected ExecutionRequest Request(string script, string? machine = null) => new()
    {
        JobId = JobId.Parse("machines"),
        ExecutionId = ExecutionId.New(),
        EngineSpec = new MicroVmSpec { Image = fixture.Image, Cmd = ["sh", "-c", script], Machine = machine }.ToSpecConfig(QemuExecutor.Type),
    };

    /// <summary>Waits until something is so.</summary>
    protected static async Task UntilAsync(Func<bool> condition)
    {
        while (!condition()) await Task.Delay(Look, TimeProvider.System, Token);
    }
}
