using System.Runtime.Versioning;
using Ergon.Linux;
using Ergon.Runc.Bundles;

namespace Ergon.Runc.Execution;

/// <summary>Puts what runc says when it fails into words for people.</summary>
[SupportedOSPlatform("linux")]
internal static class RuntimeFailure
{
    public static ExecutorException Describe(IReadOnlyList<string> errors, ChildExit exit, ContainerPlan plan)
    {
        var id = plan.Request.ExecutionId;
        var said = errors.Count > 0 ? errors[^1] : exit.Signal is { } signal ? $"it was ended by {new Signal(signal)}" : $"it ended with exit code {exit.ExitCode}, without a word";
        if (said.Contains("chdir to cwd", StringComparison.Ordinal) || said.Contains("mkdir ", StringComparison.Ordinal) && said.Contains(plan.WorkingDirectory, StringComparison.Ordinal) && plan.WorkingDirectory != "/")
        {
            return new ExecutorException(
                ErrorCode.InvalidRequest,
                $"{SpecParameters.Field("working_directory")}: {plan.WorkingDirectory} cannot be entered by the job's user. Name a directory that it may enter. (runc says: {said})", id);
        }

        if (said.Contains("OOM", StringComparison.Ordinal))
            return new ExecutorException(ErrorCode.InvalidRequest, $"resources.memory: is too little for a container to start in. Give at least 16m. (runc says: {said})", id);
        return new ExecutorException(ErrorCode.BackendFailed, $"The container could not be started: {said}.", id);
    }
}
