using Ergon.Client.Tests.Conformance;
using Ergon.Conformance;
using Ergon.Process;
using Ergon.Process.Tests;

[assembly: AssemblyFixture(typeof(RemoteFixture))]

// Most tests wait for another process, and hardly use a core.
[assembly: Xunit.v3.Parallelization(MaxThreads = 4)]

namespace Ergon.Client.Tests.Conformance;

/// <summary>The conformance suite on a daemon in another process, over local processes.</summary>
public sealed class RemoteFixture : ConformanceFixture
{
    public override SpecConfig Spec(TestJob job) => new ProcessSpec
    {
        Cmd = job.ToCommand(),
        Environment = job.Environment,
        WorkingDirectory = job.WorkingDirectory,
    }.ToSpecConfig();

    /// <summary>Kills the init process of the sandbox, and with it everything inside.</summary>
    public override Task<bool> KillExternallyAsync(string executorId, ExecutionId executionId, CancellationToken cancellationToken)
    {
        if (HostView.InitOf(executorId, executionId) is not { } init) return Task.FromResult(false);
        System.Diagnostics.Process.GetProcessById(init).Kill();
        return Task.FromResult(true);
    }

    /// <summary>A daemon does so before it takes calls.</summary>
    public override Task RecoverAsync(IExecutor executor, CancellationToken cancellationToken) => executor.FingerprintAsync(cancellationToken);

    protected override IExecutor Create(ExecutorOptions options) => new DaemonExecutor(NewDirectory(), options);

    protected override Task<IReadOnlyList<string>> FindLeftoversAsync(IReadOnlyCollection<string> executorIds) =>
        Task.FromResult<IReadOnlyList<string>>([.. HostView.Leftovers(executorIds)]);
}
