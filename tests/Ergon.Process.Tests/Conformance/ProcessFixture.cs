using Ergon.Conformance;
using Ergon.Process.Tests.Conformance;

[assembly: AssemblyFixture(typeof(ProcessFixture))]

namespace Ergon.Process.Tests.Conformance;

/// <summary>The conformance suite on local processes, with whatever protections this machine offers.</summary>
public sealed class ProcessFixture : ConformanceFixture
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

    protected override IExecutor Create(ExecutorOptions options) => ProcessExecutor.Create(new ProcessOptions { AllowHostNetwork = true }, options);

    protected override Task<IReadOnlyList<string>> FindLeftoversAsync(IReadOnlyCollection<string> executorIds) =>
        Task.FromResult<IReadOnlyList<string>>([.. HostView.Leftovers(executorIds)]);
}
