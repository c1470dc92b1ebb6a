using Ergon;
using Ergon.Process;

// A program that runs a job and never ends by itself: the tests kill it and look at what becomes of the job.
// Arguments: the executor's id, its data directory ("-" for a temporary one), the file of a request, and what to do:
//   running  says when the job has written something, and goes on
//   paused   pauses it then
//   ended    waits for the job and says how it ended
//   started  says when it has been started; with further request files, each of them
//   recover  takes over what a former one left, and says so
var directory = args[1] == "-" ? null : args[1];
var executor = ProcessExecutor.Create(
    new ProcessOptions { AllowHostNetwork = true },
    new ExecutorOptions { ExecutorId = args[0], DataDirectory = directory, DisposeBehavior = DisposeBehavior.Detach });
if (args[3] == "recover") await executor.RecoverAsync();
var request = args[3] == "recover" ? default : await StartAsync(args[2]);
switch (args[3])
{
    case "ended":
        var result = await executor.WaitAsync(request);
        Console.WriteLine($"{result.Reason} {result.ExitCode}");
        await executor.DisposeAsync();
        return;
    case "started":
        Console.WriteLine("started");
        foreach (var further in args[4..])
        {
            await StartAsync(further);
            Console.WriteLine("started");
        }

        break;
    case "recover":
        Console.WriteLine("recovered");
        break;
    default:
        await foreach (var entry in executor.GetLogStreamAsync(new LogStreamRequest { ExecutionId = request, Follow = true }))
        {
            if (entry.Data.Length == 0) continue;
            if (args[3] == "paused") await executor.PauseAsync(request);
            Console.WriteLine("the job runs");
        }

        break;
}

// The input ends when the parent does.
while (Console.ReadLine() is not null)
{
}

async Task<ExecutionId> StartAsync(string file)
{
    var parsed = ErgonJson.ParseRequest(await File.ReadAllBytesAsync(file));
    await executor.StartAsync(parsed);
    return parsed.ExecutionId;
}
