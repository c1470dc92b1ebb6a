using Ergon.MicroVm.Qemu;

namespace Ergon.MicroVm.TestProgram;

/// <summary>Runs jobs in QEMU guests until somebody kills it.</summary>
internal static class ExecutorCommand
{
    /// <summary>Starts the executions of some request files, says so, and tells the end of each that it is asked for.</summary>
    public static async Task<int> RunAsync(bool warm, string kernel, string cache, string images, string executorId, string dataDirectory, IReadOnlyList<string> requests)
    {
        await using var executor = QemuExecutor.Create(
            new QemuOptions
            {
                KernelImage = kernel,
                CacheDirectory = cache,
                AllowedImagePaths = [images],
                Acceleration = Acceleration.Tcg,
                WarmMachines = warm ? new WarmMachineOptions { Always = true } : null,
            },
            new ExecutorOptions { ExecutorId = executorId, DataDirectory = dataDirectory, DisposeBehavior = DisposeBehavior.Detach });
        foreach (var file in requests) await executor.StartAsync(ErgonJson.ParseRequest(await File.ReadAllBytesAsync(file)));
        Console.WriteLine("started");

        // The input ends when the parent does.
        while (Console.ReadLine() is { } id) Console.WriteLine((await executor.WaitAsync(ExecutionId.Parse(id))).Status);
        return 0;
    }
}
