using Ergon.Drivers;

namespace Ergon.Process;

/// <summary>What an operating system offers to run jobs as processes.</summary>
internal interface IProcessBackend : IAsyncDisposable
{
    ValueTask<ExecutorFingerprint> FingerprintAsync(CancellationToken cancellationToken);

    /// <summary>Adds what this system can never honour.</summary>
    void Validate(ExecutionRequest request, ProcessSpec spec, RequestProblems problems);

    ValueTask<IDriverExecution> PrepareAsync(DriverContext context, ProcessSpec spec, CancellationToken cancellationToken);

    /// <summary>Finds the started job that a former process left, or removes what there is of it.</summary>
    ValueTask<IDriverExecution?> AttachAsync(DriverContext context, ProcessSpec spec, CancellationToken cancellationToken);

    ValueTask CleanupAsync(string executorId, IReadOnlySet<ExecutionId> keep, CancellationToken cancellationToken);
}
