// Takes executors from a service collection, asks which one works here, and runs the same job on it.
using Ergon;
using Ergon.Docker;
using Ergon.Process;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;

var services = new ServiceCollection();
services.AddLogging(logging => logging.AddSimpleConsole(console => console.SingleLine = true));
services.AddErgon().AddDocker().AddProcess();

await using var provider = services.BuildServiceProvider();
var docker = provider.GetRequiredKeyedService<IExecutor>("docker");
var fingerprint = await docker.FingerprintAsync();
foreach (var problem in fingerprint.Problems) Console.Error.WriteLine($"docker: {problem.Problem} {problem.Remedy}");

var executor = fingerprint.Available ? docker : provider.GetRequiredKeyedService<IExecutor>("process");
string[] command = ["sh", "-c", "echo hello from $(uname -s)"];
var result = await executor.RunAsync(new ExecutionRequest
{
    JobId = JobId.Parse("hello"),
    ExecutionId = ExecutionId.New(),
    EngineSpec = executor == docker
        ? new DockerSpec { Image = "busybox", Cmd = command }.ToSpecConfig()
        : new ProcessSpec { Cmd = command }.ToSpecConfig(),
});

Console.Write(result.Stdout);
Console.Error.WriteLine(result.Error);
return result.ExitCode;
