using Ergon.Drivers;

namespace Ergon.Benchmarks.Waiting;

/// <summary>A backend in memory whose jobs do nothing until they are killed.</summary>
internal sealed class IdleDriver : IExecutionDriver
{
    public const string DriverName = "idle";

    public string Name => DriverName;

    public ValueTask<ExecutorFingerprint> FingerprintAsync(CancellationToken cancellationToken) =>
        ValueTask.FromResult(new ExecutorFingerprint { Executor = Name, Available = true, Version = "1", Capabilities = new ExecutorCapabilities() });

    public void Validate(ExecutionRequest request, RequestProblems problems)
    {
    }

    public ValueTask<IDriverExecution> PrepareAsync(DriverContext context, CancellationToken cancellationToken) => ValueTask.FromResult<IDriverExecution>(new IdleExecution());

    public ValueTask<IDriverExecution?> AttachAsync(DriverContext context, CancellationToken cancellationToken) => ValueTask.FromResult<IDriverExecution?>(null);

    public ValueTask CleanupAsync(string executorId, IReadOnlySet<ExecutionId> keep, CancellationToken cancellationToken) => ValueTask.CompletedTask;

    public ValueTask DisposeAsync() => ValueTask.CompletedTask;
}
