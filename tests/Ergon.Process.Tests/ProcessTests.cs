using Ergon.Linux;
using Ergon.Process.Native;
using Microsoft.Extensions.Logging.Abstractions;

namespace Ergon.Process.Tests;

/// <summary>What the tests of the process executor share: an executor of their own, and jobs that are shell scripts.</summary>
public abstract class ProcessTests : IAsyncLifetime
{
    private string _data = "";

    private protected string ExecutorId { get; } = $"tests-{Guid.NewGuid():n}";

    private protected Executor Executor { get; private set; } = null!;

    /// <summary>A directory that goes with the test.</summary>
    private protected string Scratch => Path.Combine(_data, "scratch");

    private protected static CancellationToken Token => TestContext.Current.CancellationToken;

    /// <summary>The settings of the driver.</summary>
    private protected virtual ProcessOptions Options => new() { AllowHostNetwork = true };

    public ValueTask InitializeAsync()
    {
        _data = Directory.CreateTempSubdirectory("process-tests-").FullName;
        Executor = new Executor(CreateDriver(), new ExecutorOptions { ExecutorId = ExecutorId, DataDirectory = _data });
        return ValueTask.CompletedTask;
    }

    public async ValueTask DisposeAsync()
    {
        GC.SuppressFinalize(this);
        await Executor.CleanupAsync();
        await Executor.DisposeAsync();
        Directory.Delete(_data, recursive: true);
        HostView.Leftovers([ExecutorId]).Should().BeEmpty();
    }

    private protected virtual ProcessDriver CreateDriver() => new(Options);

    /// <summary>A driver on a machine that offers what the function says.</summary>
    private protected ProcessDriver DriverOn(Func<KernelEvents, Task<Protections>> detect) =>
        new(Options, new NativeBackend(Options, detect, NullLogger.Instance, TimeProvider.System));

    private protected string NewDirectory() => Directory.CreateDirectory(Path.Combine(_data, Guid.NewGuid().ToString("n"))).FullName;

    private protected static ExecutionRequest Request(params string[] command) => Request(new ProcessSpec { Cmd = command });

    private protected static ExecutionRequest Request(ProcessSpec spec) => new()
    {
        JobId = JobId.Parse("job"),
        ExecutionId = ExecutionId.New(),
        EngineSpec = spec.ToSpecConfig(),
        Timeouts = new Timeouts { StopGrace = TimeSpan.FromSeconds(1), Run = TimeSpan.FromMinutes(1) },
    };

    private protected static ExecutionRequest Script(string script) => Request("/bin/sh", "-c", script);

    private protected Task<ExecutionResult> RunAsync(string script) => RunAsync(Script(script));

    private protected Task<ExecutionResult> RunAsync(ExecutionRequest request) => Executor.RunAsync(request, Token);

    /// <summary>What a script prints, which must succeed.</summary>
    private protected async Task<string> OutputAsync(string script) => await OutputAsync(Script(script));

    private protected async Task<string> OutputAsync(ExecutionRequest request)
    {
        var result = await RunAsync(request);
        result.Status.Should().Be(ExecutionStatus.Success, "{0} {1}", result.Error, result.Stderr);
        return result.Stdout.Text;
    }

    /// <summary>Starts a script and waits until it has printed something.</summary>
    private protected async Task<ExecutionId> StartAndWaitForOutputAsync(ExecutionRequest request)
    {
        await Executor.StartAsync(request, Token);
        await foreach (var entry in Executor.GetLogStreamAsync(new LogStreamRequest { ExecutionId = request.ExecutionId, Follow = true }, Token))
            if (entry.Data.Length > 0) break;
        return request.ExecutionId;
    }

    private protected static void SkipWithoutRoot() =>
        Assert.SkipUnless(Protections.IsRoot, "Sandboxes need root; run the tests as root.");
}
