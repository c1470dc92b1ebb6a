// Runs one job in the local sandbox, follows its output while it runs, and tells how it ended.
using Ergon;
using Ergon.Process;

await using var executor = ProcessExecutor.Create();

var id = ExecutionId.New();
await executor.StartAsync(new ExecutionRequest
{
    JobId = JobId.Parse("hello"),
    ExecutionId = id,
    EngineSpec = new ProcessSpec { Cmd = ["sh", "-c", "for i in 1 2 3; do echo step $i; sleep 0.2; done; echo careful >&2; exit 3"] }.ToSpecConfig(),
    Resources = new Resources { Cpu = 0.5, Memory = 64L << 20 },
    Timeouts = new Timeouts { Run = TimeSpan.FromSeconds(30) },
});

await using var stdout = Console.OpenStandardOutput();
await using var stderr = Console.OpenStandardError();
await foreach (var entry in executor.GetLogStreamAsync(new LogStreamRequest { ExecutionId = id, Follow = true }))
{
    await (entry.Stream == OutputStream.Stdout ? stdout : stderr).WriteAsync(entry.Data);
}

var result = await executor.WaitAsync(id);
Console.WriteLine($"{result.Status}: {result.Reason}, exit code {result.ExitCode}, ran {result.FinishedAt - result.StartedAt:g}");
