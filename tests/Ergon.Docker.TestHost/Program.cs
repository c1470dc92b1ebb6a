// A process that runs jobs until somebody kills it: Ergon.Docker.TestHost ENDPOINT EXECUTOR_ID DATA_DIRECTORY REQUEST_FILE...
using Ergon;
using Ergon.Docker;

await using var executor = DockerExecutor.Create(
    new DockerOptions { Endpoint = new Uri(args[0]) },
    new ExecutorOptions { ExecutorId = args[1], DataDirectory = args[2], DisposeBehavior = DisposeBehavior.Detach });
foreach (var file in args[3..]) await executor.StartAsync(ErgonJson.ParseRequest(await File.ReadAllBytesAsync(file)));
Console.WriteLine("started");

// The input ends when the parent does.
while (Console.ReadLine() is { } id) Console.WriteLine((await executor.WaitAsync(ExecutionId.Parse(id))).Status);
