using System.Text.Json;
using Ergon.Conformance;
using Ergon.Daemon.Storage;
using Ergon.Daemon.Tests.Conformance;
using Ergon.Tests.InMemory;

[assembly: AssemblyFixture(typeof(SqliteFixture))]

// Most tests wait for another process, and hardly use a core.
[assembly: Xunit.v3.Parallelization(MaxThreads = 4)]

namespace Ergon.Daemon.Tests.Conformance;

/// <summary>The conformance suite on the driver in memory with all records in one database.</summary>
public sealed class SqliteFixture : ConformanceFixture
{
    private readonly InMemoryBackend _backend = new();
    private readonly DirectoryInfo _directory = Directory.CreateTempSubdirectory("ergon-sqlite-conformance-");
    private SqliteExecutionStore? _store;

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

    protected override async ValueTask SetUpAsync() =>
        _store = await SqliteExecutionStore.OpenAsync(new SqliteStoreOptions { Path = Path.Combine(_directory.FullName, "ergon.db") });

    protected override async ValueTask TearDownAsync()
    {
        if (_store is not null) await _store.DisposeAsync();
        _directory.Delete(recursive: true);
    }

    protected override IExecutor Create(ExecutorOptions options) => new Executor(
        new InMemoryDriver(_backend), options with { DataDirectory = options.DataDirectory ?? NewDirectory(), Store = _store });

    protected override Task<IReadOnlyList<string>> FindLeftoversAsync(IReadOnlyCollection<string> executorIds) =>
        Task.FromResult<IReadOnlyList<string>>([.. _backend.List().Select(c => $"container {c.Request.ExecutionId} of {c.ExecutorId}")]);
}
