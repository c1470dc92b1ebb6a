using System.Runtime.InteropServices;
using Ergon.Docker.Warm;
using Ergon.Drivers;

namespace Ergon.Docker;

/// <summary>How an execution begins in a container that waits.</summary>
/// <param name="Container">The container, which has the execution's name.</param>
/// <param name="Arguments">The whole command.</param>
/// <param name="Variables">The variables that win over the image's.</param>
/// <param name="CreateAnew">Makes a container for the execution alone, if this one has ended.</param>
internal sealed record WarmStart(WarmContainer Container, IReadOnlyList<string> Arguments, IReadOnlyList<string> Variables, Func<CancellationToken, Task<string>> CreateAnew);

internal sealed partial class DockerExecution
{
    private const int NoEntry = 2;
    private const int NotFound = 127;
    private const int NotExecutable = 126;

    /// <summary>How to begin in a container that waits; <see langword="null"/>: the container is still to be started.</summary>
    public WarmStart? WarmStart { get; init; }

    /// <summary>The files of a container that was made before its job.</summary>
    public WarmFiles? WarmFiles { get; set; }

    // Returns whether the container that waited has become the job.
    private async Task<bool> BecomeAsync(WarmStart start, CancellationToken cancellationToken)
    {
        int error;
        try
        {
            error = await engine.CallAsync("begin in a container that waits", (_, token) => start.Container.BecomeAsync(start.Arguments, start.Variables, token), cancellationToken);
        }
        catch (ExecutorException e) when (e.InnerException is IOException)
        {
            await start.Container.DisposeAsync();
            WarmFiles = null;
            _container = await start.CreateAnew(cancellationToken);
            return false;
        }

        _attached = start.Container.TakeOutput();
        start.Container.Release();
        Started = true;
        if (error != 0)
        {
            var why = $"exec {start.Arguments[0]}: {Marshal.GetPInvokeErrorMessage(error)}";
            _unrunnable = new DriverExit { ExitCode = error == NoEntry ? NotFound : NotExecutable, Message = Unrunnable(why) };
        }

        return true;
    }

    // To the Engine, a container that waited has the variables of its image only.
    private ExecRequest WithOwnVariables(ExecRequest command)
    {
        var variables = ContainerSpec.VariablesOf(request, DockerSpec.Read(request.EngineSpec, new RequestProblems()));
        foreach (var (name, value) in command.Environment) variables[name] = value;
        return command with { Environment = variables };
    }
}
