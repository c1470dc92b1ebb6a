using System.Text.Json;
using Ergon.Conformance;
using Ergon.Tests.Conformance;
using Ergon.Tests.InMemory;

[assembly: AssemblyFixture(typeof(InMemoryFixture))]

// Most tests wait for time to pass, and hardly use a core.
[assembly: Xunit.v3.Parallelization(MaxThreads = 8)]

namespace Ergon.Tests.Conformance;

/// <summary>The conformance suite on the driver in memory: what fails here is the engine's fault, or the suite's.</summary>
public sealed class InMemoryFixture : ConformanceFixture
{
    private readonly InMemoryBackend _backend = new();

    public override SpecConfig? SpecThatNeverGetsPrepared => InMemoryDriver.Spec(new TestJob(), prepare: "hang");

    public override SpecConfig? SpecThatFailsToStart => InMemoryDriver.Spec(new TestJob(), start: "fail");

    public override SpecConfig Spec(TestJob job) => InMemoryDriver.Spec(job);

    public override IReadOnlyList<string> Command(TestJob job) => InMemoryExecSession.Command(job);

    public override ReadOnlyMemory<byte> Script(params Step[] steps) => JsonSerializer.SerializeToUtf8Bytes(steps);

    public override Task<bool> KillExternallyAsync(string executorId, ExecutionId executionId, CancellationToken cancellationToken)
    {
        _backend.Find(executorId, executionId)?.KillExternally();
        return Task.FromResult(true);
    }

    protected override IExecutor Create(ExecutorOptions options) => new Executor(new InMemoryDriver(_backend), options);

    protected override Task<IReadOnlyList<string>> FindLeftoversAsync(IReadOnlyCollection<string> executorIds) =>
        Task.FromResult<IReadOnlyList<string>>([.. _backend.List().Select(c => $"container {c.Request.ExecutionId} of {c.ExecutorId}")]);
}
