using System.Collections.Concurrent;
using Ergon.Conformance;
using Ergon.Drivers;

namespace Ergon.Tests.InMemory;

/// <summary>The machine on which containers in memory live, for any number of drivers.</summary>
internal sealed class InMemoryBackend
{
    private readonly ConcurrentDictionary<(string ExecutorId, ExecutionId Id), InMemoryContainer> _containers = new();

    public InMemoryContainer Create(DriverContext context, TestJob job)
    {
        var container = new InMemoryContainer(context.Request, job) { ExecutorId = context.ExecutorId };
        if (!_containers.TryAdd((context.ExecutorId, context.Request.ExecutionId), container))
            throw new ExecutorException(ErrorCode.BackendFailed, $"A container '{context.Request.ExecutionId}' is there already.");
        return container;
    }

    public InMemoryContainer? Find(string executorId, ExecutionId id) => _containers.GetValueOrDefault((executorId, id));

    public IReadOnlyList<InMemoryContainer> List(string executorId) => [.. _containers.Values.Where(c => c.ExecutorId == executorId)];

    public IReadOnlyList<InMemoryContainer> List() => [.. _containers.Values];

    public async ValueTask DestroyAsync(InMemoryContainer container)
    {
        await container.DestroyAsync();
        _containers.TryRemove(new((container.ExecutorId, container.Request.ExecutionId), container));
    }
}
