using Ergon.Drivers;
using Microsoft.Extensions.Logging;

namespace Ergon.Process.Portable;

/// <summary>Runs jobs on systems that are not Linux, or too old a one: as child processes, with no protection but what their user has.</summary>
internal sealed class PortableBackend(ProcessOptions options, ILogger logger) : IProcessBackend
{
    private const string Weakness =
        "This system offers no sandbox: jobs see and can change what Ergon's own user can, use the host's network, and are not limited. Only their process tree is killed.";

    private const string Remedy = "Run Ergon on Linux 5.4 or newer as root, or use the docker executor.";

    private int _warned;

    public ValueTask<ExecutorFingerprint> FingerprintAsync(CancellationToken cancellationToken) => ValueTask.FromResult(new ExecutorFingerprint
    {
        Executor = ProcessSpec.Type,
        Available = !options.RequireSandbox,
        Version = Environment.OSVersion.Version.ToString(),
        Capabilities = new ExecutorCapabilities { WritableInputs = true, Networks = options.AllowHostNetwork ? [NetworkMode.Host] : [] },
        Problems = [new FingerprintProblem(Weakness, Remedy)],
        Details = new Dictionary<string, string> { ["system"] = Environment.OSVersion.VersionString, ["sandbox"] = "none" },
    });

    public void Validate(ExecutionRequest request, ProcessSpec spec, RequestProblems problems)
    {
        if (options.RequireSandbox) problems.NotSupported("engine_spec.type", $"needs a sandbox, since the operator requires one (RequireSandbox). {Weakness} {Remedy}");
        if (spec.User is not null) problems.NotSupported(SpecParameters.Field("user"), "cannot be chosen on this system.");
        if (request.Network.Mode == NetworkMode.None) problems.NotSupported("network.mode", "is none, but on this system the job has the host's network; ask for host.");
        if (request.Resources.Cpu is not null) problems.NotSupported("resources.cpu", "cannot be limited on this system.");
        if (request.Resources.Memory is not null) problems.NotSupported("resources.memory", "cannot be limited on this system.");
        if (request.Resources.Disk is not null) problems.NotSupported("resources.disk", "cannot be limited on this system.");
        if (request.ProvisionScripts.Count > 0) problems.NotSupported("provision_scripts", "cannot be run on this system; put them into the command.");
        for (var i = 0; i < request.Inputs.Count; i++)
        {
            if (request.Inputs[i].Source != request.Inputs[i].Target || request.Inputs[i].ReadOnly)
                problems.NotSupported($"inputs[{i}]", "cannot be mounted on this system; let the job read the source where it is.");
        }

        for (var i = 0; i < request.Outputs.Count; i++)
        {
            if (request.ResultsDir is null || Path.Combine(request.ResultsDir, request.Outputs[i].Source) != request.Outputs[i].Target)
                problems.NotSupported($"outputs[{i}]", "cannot be mounted on this system; let the target be the directory below results_dir itself.");
        }
    }

    public ValueTask<IDriverExecution> PrepareAsync(DriverContext context, ProcessSpec spec, CancellationToken cancellationToken)
    {
        if (Interlocked.Exchange(ref _warned, 1) == 0) logger.ProtectionMissing(Weakness, Remedy);
        var directory = spec.WorkingDirectory ?? Directory.CreateDirectory(Path.Combine(context.WorkDirectory, "home")).FullName;
        return ValueTask.FromResult<IDriverExecution>(new PortableExecution(context.Request, spec, directory));
    }

    // Nothing of it outlives this process by design, and nothing carries the executor's id.
    public ValueTask<IDriverExecution?> AttachAsync(DriverContext context, ProcessSpec spec, CancellationToken cancellationToken) =>
        ValueTask.FromResult<IDriverExecution?>(null);

    public ValueTask CleanupAsync(string executorId, IReadOnlySet<ExecutionId> keep, CancellationToken cancellationToken) => ValueTask.CompletedTask;

    public ValueTask DisposeAsync() => ValueTask.CompletedTask;
}
