using Ergon;
using Ergon.Runc;

// A program that runs containers and never ends by itself: the tests kill it and look at what becomes of them.
// Arguments: the executor's id, its data directory, the cache of images, where images may lie, and files of requests; it starts each and says so. Without
// any it takes over what a former one left, and says so.
var executor = RuncExecutor.Create(
    new RuncOptions { CacheDirectory = args[2], Policy = new RuncPolicy { AllowedImagePaths = [args[3]] } },
    new ExecutorOptions { ExecutorId = args[0], DataDirectory = args[1], DisposeBehavior = DisposeBehavior.Detach });
if (args.Length == 4)
{
    await executor.RecoverAsync();
    Console.WriteLine("recovered");
}

foreach (var file in args[4..])
{
    await executor.StartAsync(ErgonJson.ParseRequest(await File.ReadAllBytesAsync(file)));
    Console.WriteLine("started");
}

// The input ends when the parent does.
while (Console.ReadLine() is not null)
{
}
