using Docker.DotNet;
using Ergon.Docker;

namespace Ergon.Benchmarks;

/// <summary><c>RunAsync</c> beside what a user would do instead on the same Docker Engine.</summary>
internal static class DockerBenchmark
{
    internal static readonly string[] Command = ["echo", "hello"];

    public static async Task<Section> RunAsync(Alternation alternation, string host, int rounds)
    {
        using var engine = new HttpEngine(host);
        using var client = new DockerClientBuilder().WithEndpoint(new Uri(host)).Build();
        var library = new RawDocker(client, "busybox:latest", Command);
        await using var executor = DockerExecutor.Create();
        var levels = await alternation.MeasureLevelsAsync(
            [
                new("Engine API, plain HTTP", () => engine.RunAsync(Command)),
                new("Engine API, Docker.DotNet", library.RunOnceAsync),
                new("docker run --rm", () => ProcessBenchmark.SpawnAsync("docker", "run", "--rm", "--network", "none", "busybox", "echo", "hello")),
                new("Ergon RunAsync", () => RunOnceAsync(executor)),
            ],
            rounds);
        return Section.Of("Docker", "docker", levels);
    }

    internal static async Task RunOnceAsync(Executor executor)
    {
        var result = await executor.RunAsync(new ExecutionRequest
        {
            JobId = JobId.Parse("benchmark"),
            ExecutionId = ExecutionId.New(),
            EngineSpec = new DockerSpec { Image = "busybox:latest", Cmd = Command }.ToSpecConfig(),
        });
        if (result.Status != ExecutionStatus.Success || result.Stdout.Text != "hello\n") throw new InvalidOperationException($"The job failed: {result.Reason} {result.Error}");
    }
}
