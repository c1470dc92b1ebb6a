using Ergon.Docker;
using Ergon.Runc;
using Ergon.Runc.Tests;

namespace Ergon.Benchmarks.Runc;

/// <summary>
/// <c>RunAsync</c> on runc beside what it is made of and what it is made instead of: a bare <c>runc run</c> of a bundle that was made beforehand, Podman without a
/// network, and the same job on a Docker Engine, where these are here.
/// </summary>
internal static class RuncBenchmark
{
    public static async Task<Section> RunAsync(Alternation alternation, int rounds)
    {
        var directory = Directory.CreateTempSubdirectory("ergon-benchmark-").FullName;
        try
        {
            TestImages.LayOutBusybox(Path.Combine(directory, "layout"));
            var bundle = BareBundle.Make(Path.Combine(directory, "bundle"));
            await using var runc = RuncExecutor.Create(new RuncOptions { CacheDirectory = Path.Combine(directory, "cache"), Policy = new RuncPolicy { AllowedImagePaths = [directory] } });
            await using var docker = DockerExecutor.Create();
            List<Contender> contenders =
            [
                new("runc run", () => bundle.RunAsync(withFilter: false)),
                new("runc run, with Docker's filter", () => bundle.RunAsync(withFilter: true)),
                new("Ergon, runc", () => RunOnceAsync(runc, new RuncSpec { Image = $"oci:{directory}/layout", Cmd = ["echo", "hello"] }.ToSpecConfig())),
            ];
            if (await PodmanImage.TryMakeAsync(bundle.Root) is { } podman) contenders.Add(new("podman run --network none", podman.RunAsync));
            if ((await docker.FingerprintAsync()).Available)
                contenders.Add(new("Ergon, Docker", () => RunOnceAsync(docker, new DockerSpec { Image = "busybox:latest", Cmd = ["echo", "hello"] }.ToSpecConfig())));
            return Section.Of("Containers without a daemon", "runc", await alternation.MeasureLevelsAsync(contenders, rounds));
        }
        finally
        {
            Directory.Delete(directory, recursive: true);
        }
    }

    private static async Task RunOnceAsync(Executor executor, SpecConfig spec)
    {
        var result = await executor.RunAsync(new ExecutionRequest { JobId = JobId.Parse("benchmark"), ExecutionId = ExecutionId.New(), EngineSpec = spec });
        if (result.Status != ExecutionStatus.Success || result.Stdout.Text != "hello\n") throw new InvalidOperationException($"The job failed: {result.Reason} {result.Error}");
    }
}
