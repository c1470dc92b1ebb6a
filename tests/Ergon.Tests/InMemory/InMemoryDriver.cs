using System.Text.Json;
using System.Text.Json.Nodes;
using Ergon.Conformance;
using Ergon.Drivers;

namespace Ergon.Tests.InMemory;

/// <summary>
/// A driver that interprets test jobs instead of running processes: fast, everywhere the same, and the proof that a new backend is small.
/// What it drives, an <see cref="InMemoryBackend"/>, outlives it as a real backend would.
/// </summary>
internal sealed class InMemoryDriver(InMemoryBackend backend) : IExecutionDriver
{
    public const string DriverName = "memory";

    public string Name => DriverName;

    /// <summary>A spec of the job. With <paramref name="prepare"/> <c>hang</c> it never gets prepared; with <paramref name="start"/> <c>fail</c> its start fails.</summary>
    public static SpecConfig Spec(TestJob job, string? prepare = null, string? start = null) => SpecConfig.Create(DriverName, new JsonObject
    {
        ["job"] = JsonSerializer.SerializeToNode(job),
        ["prepare"] = prepare,
        ["start"] = start,
    });

    public ValueTask<ExecutorFingerprint> FingerprintAsync(CancellationToken cancellationToken) => ValueTask.FromResult(new ExecutorFingerprint
    {
        Executor = Name,
        Available = true,
        Version = "1",
        Capabilities = new ExecutorCapabilities
        {
            Pause = true,
            Exec = true,
            Stats = true,
            MemoryLimit = true,
            PidsLimit = true,
            FileSystemIsolation = true,
            WritableInputs = true,
            Networks = [NetworkMode.None, NetworkMode.Bridge, NetworkMode.Host],
            Recovery = true,
            ExactSignals = true,
        },
    });

    public void Validate(ExecutionRequest request, RequestProblems problems)
    {
        if (JobOf(request) is null) problems.Invalid("engine_spec.params.job", "is missing.");
        if (request.Resources.Cpu is not null) problems.NotSupported("resources.cpu", "cannot be limited in memory.");
        if (request.Resources.Disk is not null) problems.NotSupported("resources.disk", "cannot be limited in memory.");
        if (request.Resources.Gpus.Count > 0) problems.NotSupported("resources.gpus", "are not in memory.");
    }

    public async ValueTask<IDriverExecution> PrepareAsync(DriverContext context, CancellationToken cancellationToken)
    {
        context.ReportProgress(new PrepareProgress("preparing"));
        if (ParameterOf(context.Request, "prepare") == "hang") await Task.Delay(Timeout.InfiniteTimeSpan, TimeProvider.System, cancellationToken);
        cancellationToken.ThrowIfCancellationRequested();
        return new InMemoryExecution(backend, backend.Create(context, JobOf(context.Request)!));
    }

    public ValueTask<IDriverExecution?> AttachAsync(DriverContext context, CancellationToken cancellationToken) =>
        ValueTask.FromResult<IDriverExecution?>(
            backend.Find(context.ExecutorId, context.Request.ExecutionId) is { } container ? new InMemoryExecution(backend, container) : null);

    public async ValueTask CleanupAsync(string executorId, IReadOnlySet<ExecutionId> keep, CancellationToken cancellationToken)
    {
        foreach (var container in backend.List(executorId))
            if (!keep.Contains(container.Request.ExecutionId)) await backend.DestroyAsync(container);
    }

    public ValueTask DisposeAsync() => ValueTask.CompletedTask;

    internal static string? ParameterOf(ExecutionRequest request, string name) =>
        request.EngineSpec.Params.TryGetValue(name, out var value) ? value.GetString() : null;

    private static TestJob? JobOf(ExecutionRequest request) =>
        request.EngineSpec.Params.TryGetValue("job", out var job) ? job.Deserialize<TestJob>() : null;
}
