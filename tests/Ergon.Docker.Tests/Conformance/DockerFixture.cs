using System.Net;
using System.Net.Sockets;
using Docker.DotNet.Models;
using Ergon.Conformance;
using Ergon.Docker.Tests.Conformance;

[assembly: AssemblyFixture(typeof(DockerFixture))]
[assembly: AssemblyFixture(typeof(WarmDockerFixture))]

// Most tests wait for the Engine, and hardly use a core.
[assembly: Xunit.v3.Parallelization(MaxThreads = 4)]

namespace Ergon.Docker.Tests.Conformance;

/// <summary>The conformance suite on a real Docker Engine.</summary>
public class DockerFixture : ConformanceFixture
{
    /// <summary>The executors' options.</summary>
    protected virtual DockerOptions Options => new() { Endpoint = TestEngine.Endpoint, Policy = new DockerPolicy { AllowHostNetwork = true } };

    // Accepts connections and never answers: a registry whose pulls do not end.
    private readonly TcpListener _silentRegistry = new(IPAddress.Loopback, 0);

    public override string? SkipReason => TestEngine.Endpoint is null ? TestEngine.Missing : null;

    // The Engine takes a second for 6 MB of it.
    public override long LargeOutputSize => 40_000_000;

    public override SpecConfig? SpecThatNeverGetsPrepared => new DockerSpec { Image = $"{_silentRegistry.LocalEndpoint}/never:latest" }.ToSpecConfig();

    public override SpecConfig? SpecThatFailsToStart => new DockerSpec { Image = "busybox:latest", User = "nobody-of-that-name" }.ToSpecConfig();

    public override SpecConfig Spec(TestJob job) => new DockerSpec
    {
        Image = "busybox:latest",
        Cmd = job.ToCommand(),
        Environment = job.Environment,
        WorkingDirectory = job.WorkingDirectory,
    }.ToSpecConfig();

    public override async Task<bool> KillExternallyAsync(string executorId, ExecutionId executionId, CancellationToken cancellationToken)
    {
        using var client = TestEngine.Connect();
        await client.Containers.KillContainerAsync(
            ContainerSpec.NameOf(executorId, executionId), new ContainerKillParameters { Signal = "SIGKILL" }, cancellationToken);
        return true;
    }

    protected override ValueTask SetUpAsync()
    {
        _silentRegistry.Start();
        return ValueTask.CompletedTask;
    }

    protected override ValueTask TearDownAsync()
    {
        _silentRegistry.Dispose();
        return ValueTask.CompletedTask;
    }

    protected override IExecutor Create(ExecutorOptions options) => DockerExecutor.Create(Options, options);

    protected override async Task<IReadOnlyList<string>> FindLeftoversAsync(IReadOnlyCollection<string> executorIds)
    {
        List<string> leftovers = [];
        foreach (var id in executorIds)
            leftovers.AddRange((await TestEngine.ContainersOfAsync(id)).Select(c => $"container {c.ID} ({c.State}) of {id}"));
        return leftovers;
    }
}

/// <summary>The conformance suite in containers that waited for their jobs.</summary>
public sealed class WarmDockerFixture : DockerFixture
{
    protected override DockerOptions Options => base.Options with { WarmContainers = new WarmContainerOptions { Always = true } };
}
