using Ergon;
using Ergon.Process;

// A program that runs a job and never ends by itself: the tests kill it and look at what becomes of the job.
// Arguments: the executor's id, its data directory, the execution's id, "paused", "running", or "ended" (then it waits for the job and
// says how it ended), and the job's command line.
var executor = ProcessExecutor.Create(executorOptions: new ExecutorOptions { ExecutorId = args[0], DataDirectory = args[1] });
var id = ExecutionId.Parse(args[2]);
await executor.StartAsync(new ExecutionRequest
{
    JobId = JobId.Parse("job"),
    ExecutionId = id,
    EngineSpec = new ProcessSpec { Cmd = args[4..] }.ToSpecConfig(),
});
if (args[3] == "ended")
{
    var result = await executor.WaitAsync(id);
    Console.WriteLine($"{result.Reason} {result.ExitCode}");
    await executor.DisposeAsync();
    return;
}

await foreach (var entry in executor.GetLogStreamAsync(new LogStreamRequest { ExecutionId = id, Follow = true }))
{
    if (entry.Data.Length == 0) continue;
    if (args[3] == "paused") await executor.PauseAsync(id);
    Console.WriteLine("the job runs");
}
