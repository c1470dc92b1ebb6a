using Ergon.Docker;
using Ergon.Process;

namespace Ergon.Benchmarks.Service;

/// <summary>The jobs that a daemon is loaded with.</summary>
internal static class Jobs
{
    public static ExecutionRequest Of(params string[] command) => new()
    {
        JobId = JobId.Parse("benchmark"),
        ExecutionId = ExecutionId.New(),
        EngineSpec = new ProcessSpec { Cmd = command }.ToSpecConfig(),
    };

    public static ExecutionRequest InContainer(params string[] command) =>
        Of(command) with { EngineSpec = new DockerSpec { Image = "busybox", Cmd = command }.ToSpecConfig() };
}
