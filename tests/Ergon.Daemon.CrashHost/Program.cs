// A process that runs jobs and tells on stdout what it has acknowledged, until somebody kills it or it kills itself:
// Ergon.Daemon.CrashHost ENDPOINT EXECUTOR_ID DATA_DIRECTORY cycle CRASH_AT before|after
// Ergon.Daemon.CrashHost ENDPOINT EXECUTOR_ID DATA_DIRECTORY load FIRST COUNT
using Ergon;
using Ergon.Daemon.CrashHost;
using Ergon.Daemon.Storage;
using Ergon.Docker;

var cycle = args[3] == "cycle";
await using var database = await SqliteExecutionStore.OpenAsync(new SqliteStoreOptions { Path = Path.Combine(args[2], "ergon.db") });
var store = new CrashingStore(database, cycle ? int.Parse(args[4]) : 0, stored: args[5] == "after");
await using var executor = DockerExecutor.Create(
    new DockerOptions { Endpoint = new Uri(args[0]) },
    new ExecutorOptions { ExecutorId = args[1], DataDirectory = args[2], Store = store, DisposeBehavior = DisposeBehavior.Detach });
await executor.RecoverAsync();
Console.WriteLine("recovered");
var jobs = new Jobs(executor, Containers.Request, Console.WriteLine);
if (cycle) await jobs.CycleAsync(Containers.Request("failing", Jobs.Counting, image: "ergon-tests/there-is-none:latest"));
else await jobs.LoadAsync(int.Parse(args[4]), int.Parse(args[5]));
Console.WriteLine($"changes {store.Changes}");
